"""What Weights & Biases is told of a sweep: its trials and its figures."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

from housing_ml.orchestration.wandb_run import unsent, wandb_run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from housing_ml.records.sweep import SweepResult, Trial
    from housing_ml.settings import Settings


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
    return unsent(settings) if offline else None


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
