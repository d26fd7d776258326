"""Runs in Weights & Biases: online with an account, else offline for a later `wandb sync`.

Nobody needs them at run time: what goes wrong is said, and what was computed stays.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING, Any
from uuid import uuid4

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from housing_ml.config import RetrainConfig
    from housing_ml.records.release import Stages
    from housing_ml.settings import Settings
    from housing_ml.sweep import SweepResult, Trial

_FINISH_SECONDS = 5


def wandb_mode() -> str:
    """Return where runs go: as `WANDB_MODE` says, else online with an account, offline without."""
    return os.environ.get("WANDB_MODE") or (
        "online" if os.environ.get("WANDB_API_KEY") else "offline"
    )


@contextmanager
def wandb_run(
    settings: Settings, *, offline: bool = False, live: bool = False, **about: Any
) -> Iterator[Any]:
    """Yield a run of the project, which ends with the block.

    What the service does not take is recorded offline.

    Args:
        settings: the home folder keeps offline runs.
        offline: do not ask the service.
        live: send what is logged each second.
        about: what `wandb.init` takes, such as `name`, `job_type`, `group` and `config`.
    """
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    import wandb  # noqa: PLC0415 - takes a second

    folder = settings.home.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    options: dict[str, Any] = {
        "mode": "offline" if offline else wandb_mode(),
        "console": "off",
        "silent": True,
        "disable_git": True,
        "disable_code": True,
        "init_timeout": 20,
        "finish_timeout": _FINISH_SECONDS,
        "x_disable_stats": True,
        "x_disable_machine_info": True,
        "x_save_requirements": False,
        "disable_job_creation": True,
    }
    if live:
        options["x_file_stream_transmit_interval"] = 1

    def start() -> Any:
        return wandb.init(
            project=os.environ.get("WANDB_PROJECT", "housing"),
            dir=str(folder),
            reinit="create_new",  # the only one that threads can share
            settings=wandb.Settings(**options),
            **about,
        )

    try:
        run = start()
    except Exception:  # noqa: BLE001 - the client raises anything
        options["mode"] = "offline"
        about["id"] = f"{about.get('id', uuid4().hex)}-offline"  # the client holds on to the other
        run = start()
    try:
        yield run
    finally:
        run.finish()


def track_sweep(
    result: SweepResult, figures: Mapping[str, bytes], settings: Settings
) -> str | None:
    """Record the figures, and each trial that is not in W&B; return what went wrong, if so.

    The ids follow from the study, so that what is recorded twice is one run after a sync.
    """
    group = result.study[:12]
    offline = False
    try:
        for trial in result.trials:
            if trial.run:
                continue
            with wandb_run(
                settings,
                offline=offline,
                id=f"{group}-{trial.number}",
                name=f"trial {trial.number}",
                job_type="trial",
                group=group,
                config=trial.parameters,
            ) as run:
                log_trial(run, trial)
                offline = run.offline
        if figures:
            with wandb_run(
                settings, offline=offline, id=f"{group}-sweep", name=f"sweep {group}", group=group
            ) as run:
                _log_figures(run, figures)
    except Exception as error:  # noqa: BLE001 - the parameters matter more than their record
        return f"Weights & Biases did not take the trials: {error}"
    return _unsent(settings) if offline else None


def log_trial(run: Any, trial: Trial) -> None:
    """Tell a run how its trial ended."""
    run.log({f"fold_{n}.wmape": value for n, value in enumerate(trial.fold_wmapes)})
    run.summary.update({"state": trial.state, "reason": trial.reason, "seconds": trial.seconds})
    if trial.wmape is not None:
        run.summary["wmape"] = trial.wmape
    if trial.state == "failed":
        run.finish(exit_code=1)


def _log_figures(run: Any, figures: Mapping[str, bytes]) -> None:
    import wandb  # noqa: PLC0415 - takes a second
    from matplotlib.image import imread  # noqa: PLC0415 - the same

    pictures = {name: imread(BytesIO(content), format="png") for name, content in figures.items()}
    run.log({name: wandb.Image(picture) for name, picture in pictures.items()})


def track_retrain(
    stages: Stages, config: RetrainConfig, metrics: Mapping[str, float], settings: Settings
) -> str | None:
    """Record the model; return what went wrong, if anything did.

    The id follows from the model, so that what is recorded twice is one run after a sync.
    """
    digest = stages.training.bundle.digest[:12]
    try:
        with wandb_run(
            settings,
            id=digest,
            name=f"retrain {digest}",
            job_type="retrain",
            group=digest,
            config=config.model_dump(mode="json"),
        ) as run:
            run.log(dict(metrics))
            offline = run.offline
    except Exception as error:  # noqa: BLE001 - the model matters more than its copy
        return f"Weights & Biases did not take the run: {error}"
    return _unsent(settings) if offline else None


def _unsent(settings: Settings) -> str | None:
    """Say where runs wait that the service should have taken."""
    if wandb_mode() != "online":
        return None
    return (
        f"Weights & Biases does not answer: `wandb sync {settings.home}/wandb/offline-*` sends it"
    )
