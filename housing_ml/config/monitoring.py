"""What a person may turn of the monitor; every default is embedded."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from housing_ml.config.base import Config

Tracker = Literal["mlflow", "wandb"]


class DriftConfig(Config):
    """When the rows of a window count as other than those before."""

    minimum_rows: int = Field(
        default=500, ge=1, description="A window with fewer rows has no verdict."
    )
    minimum_labelled: int = Field(
        default=200, ge=1, description="The same for columns that need feedback."
    )
    psi: float = Field(
        default=0.2, gt=0, description="Population stability index from which a column has moved."
    )
    distance: float = Field(
        default=0.1,
        gt=0,
        description="Wasserstein distance from which it has moved, in standard deviations.",
    )
    missing: float = Field(
        default=0.05, ge=0, lt=1, description="Rise of the missing share that counts."
    )
    outside: float = Field(
        default=0.02,
        ge=0,
        lt=1,
        description="Share of values outside the training range, or of unknown categories, "
        "that counts.",
    )
    collapsed: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="Share of predictions in one hundredth of the training range that is an alarm "
        "at once.",
    )
    significance: float = Field(
        default=0.01,
        gt=0,
        lt=1,
        description="Chance of a false finding in a window, over all its columns.",
    )
    baseline_windows: int = Field(
        default=7,
        ge=1,
        description="Earlier quiet windows, the oldest ones, that an alarm is held against.",
    )
    persistence: int = Field(
        default=2, ge=1, description="Windows in a row that must agree before there is an alarm."
    )


class PerformanceConfig(Config):
    """When the live error is over its limit."""

    minimum_rows: int = Field(
        default=50, ge=2, description="With fewer prices known, an interval says too few."
    )
    recent_windows: int = Field(
        default=7, ge=1, description="Windows whose error is held against the limit."
    )
    confidence: float = Field(default=0.95, gt=0.5, lt=1, description="Level of the intervals.")
    error_ratio: float = Field(
        default=1.1,
        gt=1,
        description="Limit of the live wMAPE, as a multiple of the one on the holdout, or of the "
        "one that the model foresees of the rows where that is higher. The whole interval must lie "
        "beyond it.",
    )
    coverage_drop: float = Field(
        default=0.05,
        gt=0,
        lt=1,
        description="Drop of the interval's coverage below that on the holdout that counts.",
    )


class RetrainingConfig(Config):
    """When a model is to be trained anew, and what holds that back."""

    maximum_age_days: float = Field(default=180, gt=0, description="Retrain a model this old.")
    minimum_new_rows: int = Field(
        default=500, ge=0, description="New labelled rows without which there is nothing to learn."
    )
    cool_down_hours: float = Field(default=24, ge=0, description="Least time between retrains.")
    budget: int = Field(default=4, ge=0, description="Most retrains within the budget's days.")
    budget_days: float = Field(default=30, gt=0, description="Days that the budget is for.")


class MonitorConfig(Config):
    """Everything that the monitor may be told."""

    window_minutes: float = Field(
        default=1440, gt=0, le=10_080, description="Length of a window of the log; a day."
    )
    windows: int = Field(default=30, ge=2, le=366, description="Windows that a report looks back.")
    trackers: tuple[Tracker, ...] = Field(
        default=("mlflow", "wandb"), description="Where a report's numbers are logged too."
    )
    drift: DriftConfig = DriftConfig()
    performance: PerformanceConfig = PerformanceConfig()
    retraining: RetrainingConfig = RetrainingConfig()
