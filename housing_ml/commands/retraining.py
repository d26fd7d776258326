"""Commands that make models: `retrain`, `sweep` and `config`."""
# ruff: noqa: PLC0415, T201 - keeps `housing --help` quick; a command prints

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from pathlib import Path  # noqa: TC003 - cyclopts reads the annotations
from typing import TYPE_CHECKING, Any

from housing_ml.commands.job import RETRAIN_ADVICE, tell_verdict, telling_of_failure
from housing_ml.commands.output import (
    REJECTED,
    Flag,
    Json,
    Overrides,
    print_json,
    show,
    show_rows,
    warn,
)
from housing_ml.config.choices import DriverName  # noqa: TC001 - cyclopts reads the annotations
from housing_ml.settings import Settings

if TYPE_CHECKING:
    from housing_ml.config.retrain import RetrainConfig


def retrain(  # noqa: PLR0913 - each is an option that a person types
    *,
    config: Path | None = None,
    set_: Overrides = (),
    refresh: Flag = False,
    synthetic_if_offline: Flag = False,
    as_job: Flag = False,
    verbose: Flag = False,
    as_json: Json = False,
) -> int:
    """Turn raw data into a model, and promote it when it passes the gate.

    Exit code 3 is a model that did not pass: rejected, or left to a person.

    Args:
        config: YAML or JSON file with what differs from the defaults.
        set_: One value, such as `--set sweep.trials=20`; may be given several times.
        refresh: Ignore the cache and compute every stage again.
        synthetic_if_offline: Use a synthetic sample when no source is configured and the public
            one cannot be reached.
        as_job: End with exit code 0 whatever the gate says, since a model that is not promoted is
            no failure, and tell the webhook of such a model and of a failure.
        verbose: Show the libraries' own logs too.
        as_json: Print the result as JSON; progress goes to standard error.
    """
    from housing_ml.config.retrain import RetrainConfig

    chosen = RetrainConfig.load(config, set_)

    from flows.retrain import run_retrain
    from housing_ml.data.source import SourceUnavailableError

    settings = Settings()
    run = partial(run_retrain, settings=settings, refresh=refresh, verbose=verbose)
    told = telling_of_failure(settings, "The retrain failed", RETRAIN_ADVICE)
    with told if as_job else nullcontext():
        try:
            result = run(chosen)
        except SourceUnavailableError as error:
            if not synthetic_if_offline or chosen.data.url or settings.data_url:
                raise
            warn(f"{error}\nGOING ON WITH A SYNTHETIC SAMPLE: try it, do not price houses.")
            result = run(_synthetic(chosen))
    if as_json:
        print(result.model_dump_json(indent=2))
    else:
        show(result.summary)
    if as_job:
        tell_verdict(result, settings)
        return 0
    return 0 if result.promoted or result.probation else REJECTED


def sweep(  # noqa: PLR0913 - each is an option that a person types
    *,
    driver: DriverName | None = None,
    trials: int | None = None,
    minutes: float | None = None,
    workers: int | None = None,
    config: Path | None = None,
    set_: Overrides = (),
    verbose: Flag = False,
    as_json: Json = False,
) -> int:
    """Search for the best parameters of the best model; nothing in service changes.

    A study that was interrupted goes on. A retrain with the same config, its number of trials
    included, finds them again.

    What is empty is as in the config.

    Args:
        driver: What proposes the trials: optuna, wandb, or auto, which is wandb where WANDB_API_KEY
            is set and else optuna.
        trials: How many to try; 20 where no config names a number.
        minutes: Stop starting trials after this time.
        workers: Trials at a time, each in a process of its own.
        config: YAML or JSON file with what differs from the defaults.
        set_: One value, such as `--set sweep.folds=5`; may be given several times.
        verbose: Show the libraries' own logs too.
        as_json: Print the result as JSON; progress goes to standard error.
    """
    from housing_ml.config.retrain import RetrainConfig

    options = {"driver": driver, "trials": trials, "minutes": minutes, "workers": workers}
    given = [f"sweep.{name}={value}" for name, value in options.items() if value is not None]
    chosen = RetrainConfig.load(config, (*set_, *given))

    from flows.sweep import run_sweep
    from housing_ml.reporting.retrain import sweep_rows

    result = run_sweep(chosen, Settings(), verbose=verbose)
    if as_json:
        print(result.model_dump_json(indent=2))
    else:
        show_rows(sweep_rows(result))
        print(f"{result.stopped}; figures: {Settings().reports_path / 'sweep.html'}")
    return 0


def config(*, schema: Flag = False, config: Path | None = None, set_: Overrides = ()) -> int:
    """Print the config that a retrain would use, or the schema of all that can be turned.

    Args:
        schema: Print the JSON schema, with defaults, bounds and help texts.
        config: YAML or JSON file with what differs from the defaults.
        set_: One value, such as `--set sweep.trials=20`; may be given several times.
    """
    from housing_ml.config.retrain import RetrainConfig

    chosen = RetrainConfig.load(config, set_)
    document: Any = RetrainConfig.model_json_schema() if schema else chosen.model_dump(mode="json")
    print_json(document)
    return 0


def _synthetic(config: RetrainConfig) -> RetrainConfig:
    data = config.data.model_copy(update={"synthetic": True})
    return config.model_copy(update={"data": data})
