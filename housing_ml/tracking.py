"""Runs in Weights & Biases: online with an account, else offline for a later `wandb sync`.

Nobody needs them at run time: what goes wrong is said, and what was computed stays.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from housing_ml.config import RetrainConfig
    from housing_ml.records.release import Stages
    from housing_ml.settings import Settings

_FINISH_SECONDS = 5


def wandb_mode() -> str:
    """Return where runs go: as `WANDB_MODE` says, else online with an account, offline without."""
    return os.environ.get("WANDB_MODE") or (
        "online" if os.environ.get("WANDB_API_KEY") else "offline"
    )


@contextmanager
def wandb_run(settings: Settings, **about: Any) -> Iterator[Any]:
    """Yield a run of the project, which ends with the block.

    Args:
        settings: the home folder keeps offline runs.
        about: what `wandb.init` takes, such as `name`, `job_type`, `group` and `config`.
    """
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    import wandb  # noqa: PLC0415 - takes a second

    folder = settings.home.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    options: dict[str, Any] = {
        "mode": wandb_mode(),
        "console": "off",
        "silent": True,
        "disable_git": True,
        "disable_code": True,
        "init_timeout": 20,
        "finish_timeout": _FINISH_SECONDS,
        "x_disable_stats": True,
        "x_disable_machine_info": True,
    }
    run = wandb.init(
        project=os.environ.get("WANDB_PROJECT", "housing"),
        dir=str(folder),
        reinit="create_new",  # the only one that threads can share
        settings=wandb.Settings(**options),
        **about,
    )
    try:
        yield run
    finally:
        run.finish()


def track_retrain(
    stages: Stages, config: RetrainConfig, metrics: Mapping[str, float], settings: Settings
) -> str | None:
    """Record the model and each trial of its sweep; return what went wrong, if anything did.

    The ids follow from the model, so that what is recorded twice is one run after a sync.
    """
    digest = stages.training.bundle.digest[:12]
    try:
        for trial in stages.sweep.result.trials:
            with wandb_run(
                settings,
                id=f"{digest}-{trial.number}",
                name=f"trial {trial.number}",
                job_type="trial",
                group=digest,
                config=trial.parameters,
            ) as run:
                run.log({f"fold_{n}.wmape": value for n, value in enumerate(trial.fold_wmapes)})
                run.summary.update(
                    {"wmape": trial.wmape, "state": trial.state, "reason": trial.reason}
                )
        with wandb_run(
            settings,
            id=digest,
            name=f"retrain {digest}",
            job_type="retrain",
            group=digest,
            config=config.model_dump(mode="json"),
        ) as run:
            run.log(dict(metrics))
    except Exception as error:  # noqa: BLE001 - the model matters more than its copy
        return f"Weights & Biases did not take the run: {error}"
    return None
