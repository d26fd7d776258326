"""The choice of what drives a sweep; every driver has the same signature, space and result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from housing_ml.modelling.sweep.trials import SweepError
from housing_ml.modelling.sweep.workers import open_workers
from housing_ml.orchestration.wandb_run import wandb_mode

if TYPE_CHECKING:
    from housing_ml.config.choices import DriverName
    from housing_ml.modelling.sweep.objective import Objective
    from housing_ml.modelling.sweep.workers import Workers
    from housing_ml.records.sweep import SweepResult


def sweep(
    objective: Objective,
    storage: str | None = None,
    name: str = "sweep",
    cluster: Workers | None = None,
) -> SweepResult:
    """Search the objective's space with the driver that its config names.

    Args:
        objective: what to lower.
        storage: Optuna's database URL; none: in memory.
        name: of the study; the same name in the same storage resumes.
        cluster: opens what runs the trials of Optuna elsewhere; none: processes of this machine.

    Raises:
        SweepError: when no trial succeeds, or W&B should drive a cluster.
    """
    driver = objective.config.driver
    if cluster and driver == "wandb":
        raise SweepError(
            "W&B's agents run on their own machine: unset HOUSING_DASK_SCHEDULER, or set "
            "sweep.driver=optuna"
        )
    if cluster or resolve(driver) == "optuna":
        from housing_ml.modelling.sweep import optuna_driver  # noqa: PLC0415 - one of them runs

        return optuna_driver.sweep(objective, storage, name, cluster or open_workers)
    from housing_ml.modelling.sweep import wandb_driver  # noqa: PLC0415 - the same

    return wandb_driver.sweep(objective, storage, name)


def resolve(driver: DriverName) -> DriverName:
    """Return which driver is meant by "auto": W&B where runs go to its service, else Optuna."""
    if driver != "auto":
        return driver
    return "wandb" if wandb_mode() == "online" else "optuna"
