"""Commands that watch the served model: `monitor` and `simulate`."""
# ruff: noqa: PLC0415, T201 - keeps `housing --help` quick; a command prints

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path  # noqa: TC003 - cyclopts reads the annotations
from typing import Annotated

from cyclopts import Parameter

from housing_ml.commands.job import MONITOR_ADVICE, tell_alert, telling_of_failure
from housing_ml.commands.output import REJECTED, CommandError, Flag, Json, Overrides, show
from housing_ml.settings import Settings


def monitor(
    *,
    config: Path | None = None,
    set_: Overrides = (),
    as_job: Flag = False,
    verbose: Flag = False,
    as_json: Json = False,
) -> int:
    """Look for drift and live error in what was served since the last look.

    Exit code 3 is an alert.

    Args:
        config: YAML or JSON file with what differs from the defaults.
        set_: One value, such as `--set drift.psi=0.25`; may be given several times.
        as_job: End with exit code 0 on an alert too, which is no failure, and tell the webhook of
            an alert and of a failure.
        verbose: Show the libraries' own logs too.
        as_json: Print the report as JSON.
    """
    from flows.monitor import run_monitor
    from housing_ml.config.monitoring import MonitorConfig
    from housing_ml.monitoring.summary import summary

    settings = Settings()
    told = telling_of_failure(settings, "The monitor failed", MONITOR_ADVICE)
    with told if as_job else nullcontext():
        report = run_monitor(MonitorConfig.load(config, set_), verbose=verbose)
    if as_json:
        print(report.model_dump_json(indent=2))
    else:
        show(summary(report))
    if as_job:
        tell_alert(report, settings)
        return 0
    return REJECTED if report.alert else 0


def simulate(
    *,
    url: str = "http://127.0.0.1:8000",
    key: Annotated[str | None, Parameter(env_var="HOUSING_API_KEY")] = None,
    set_: Overrides = (),
    as_json: Json = False,
) -> int:
    """Replay real rows against a running service, with a chosen fault and late feedback.

    Args:
        url: Address of the service.
        key: API key, where the service asks for one.
        set_: One value, such as `--set fault=income` or `--set windows=20`.
        as_json: Print the result as JSON.
    """
    import httpx

    from housing_ml.config.data import DataConfig
    from housing_ml.data.source import locate, read_source
    from housing_ml.data.table_file import read_table
    from housing_ml.monitoring.simulation import SimulationConfig
    from housing_ml.monitoring.simulation import simulate as replay
    from housing_ml.orchestration.terminal import live_line
    from housing_ml.progress import stage

    chosen = SimulationConfig.load(None, set_)
    source = locate(DataConfig(), Settings())
    frame = read_table(source.address, read_source(source.address, source.expected_sha256))
    headers = {"X-API-Key": key} if key else {}
    try:
        with live_line(), httpx.Client(base_url=url, headers=headers, timeout=30) as client:
            stage("simulate")
            result = replay(chosen, frame, client)
    except httpx.HTTPError as error:
        raise CommandError(f"{url}: {error}: start the service with `make serve`") from None
    if as_json:
        print(result.model_dump_json(indent=2))
    else:
        versions = ", ".join(result.versions)
        show(
            f"{result.predictions:,} predictions by version {versions}, "
            f"{result.feedback:,} prices fed back. Look with `housing monitor`."
        )
    return 0
