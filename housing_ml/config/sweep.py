"""The search for parameters."""

from __future__ import annotations

from pydantic import Field

from housing_ml.config.base import Config
from housing_ml.config.choices import DriverName


class SweepConfig(Config):
    """The search for the winner's best parameters."""

    trials: int = Field(default=1, ge=0, description="Trials; 0 keeps the selected parameters.")
    minutes: float = Field(default=10, gt=0, description="Stop starting trials after this time.")
    patience: int = Field(
        default=30, ge=0, description="Stop after this many trials without a better one; 0: never."
    )
    workers: int = Field(default=1, ge=1, description="Trials at a time, each in a process.")
    driver: DriverName = Field(
        default="auto",
        description="What proposes trials; auto: wandb where it has an account, else optuna.",
    )
    folds: int = Field(default=3, ge=2, description="Folds; features are refitted in each.")
    most_rows: int = Field(
        default=50_000,
        ge=1000,
        description="Of more training rows, trials are judged on a sample of so many.",
    )
    seed: int = Field(default=42, ge=0, description="Seed of the sampler, folds and models.")
