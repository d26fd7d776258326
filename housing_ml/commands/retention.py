"""The command that deletes what nobody needs any more: `retention`."""
# ruff: noqa: PLC0415, T201 - keeps `housing --help` quick; a command prints

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - cyclopts reads the annotations

from housing_ml.commands.output import Flag, Json, Overrides, show


def retention(
    *,
    delete: Flag = False,
    config: Path | None = None,
    set_: Overrides = (),
    verbose: Flag = False,
    as_json: Json = False,
) -> int:
    """Tell what nobody needs any more, and how much it is; with `--delete`, delete it.

    History and records stay for ever, and the bundles that were in service within the last year.

    Args:
        delete: Delete it. Otherwise nothing changes.
        config: YAML or JSON file with what differs from the defaults.
        set_: One value, such as `--set champion_months=6`; may be given several times.
        verbose: Show the libraries' own logs too.
        as_json: Print the report as JSON.
    """
    from flows.retention import run_retention
    from housing_ml.config.retention import RetentionConfig
    from housing_ml.retention.summary import summary

    report = run_retention(RetentionConfig.load(config, set_), delete=delete, verbose=verbose)
    if as_json:
        print(report.model_dump_json(indent=2))
    else:
        show(summary(report))
    return 1 if any(part.problem for part in report.parts) else 0
