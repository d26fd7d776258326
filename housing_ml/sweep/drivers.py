"""The choice of what drives a sweep; every driver has the same signature, space and result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from housing_ml.tracking import wandb_mode

if TYPE_CHECKING:
    from housing_ml.config import DriverName
    from housing_ml.sweep import SweepResult
    from housing_ml.sweep.objective import Objective


def sweep(objective: Objective, storage: str | None = None, name: str = "sweep") -> SweepResult:
    """Search the objective's space with the driver that its config names.

    Args:
        objective: what to lower.
        storage: Optuna's database URL; none: in memory.
        name: of the study; the same name in the same storage resumes.

    Raises:
        SweepError: when no trial succeeds.
    """
    if resolve(objective.config.driver) == "wandb":
        from housing_ml.sweep.wandb_driver import sweep as search  # noqa: PLC0415 - one of them runs
    else:
        from housing_ml.sweep.optuna_driver import sweep as search  # noqa: PLC0415 - the same
    return search(objective, storage, name)


def resolve(driver: DriverName) -> DriverName:
    """Return which driver is meant by "auto": W&B where runs go to its service, else Optuna."""
    if driver != "auto":
        return driver
    return "wandb" if wandb_mode() == "online" else "optuna"
