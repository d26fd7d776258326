"""What Weights & Biases is told of a registered model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from housing_ml.orchestration.wandb_run import unsent, wandb_mode, wandb_run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from housing_ml.config.retrain import RetrainConfig
    from housing_ml.records.retrain import Stages
    from housing_ml.settings import Settings


def track_retrain(
    stages: Stages, config: RetrainConfig, metrics: Mapping[str, float], settings: Settings
) -> str | None:
    """Record the model; return what went wrong, if anything did.

    The id follows from the model, so that what is recorded twice is one run after a sync.
    """
    if wandb_mode() == "disabled":
        return None
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
    return unsent(settings) if offline else None
