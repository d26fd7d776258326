"""How long things are kept that nobody needs any more."""

from __future__ import annotations

from pydantic import Field

from housing_ml.config.base import Config


class RetentionConfig(Config):
    """What `housing retention` leaves; history and records of releases are kept for ever."""

    champion_months: int = Field(
        default=12,
        ge=1,
        description="Bundles that were in service within so many months stay, to roll back to.",
    )
    release_days: float = Field(
        default=60,
        gt=0,
        description="Bundles that were published, or that the history names, within so many days "
        "stay, whatever became of them.",
    )
    result_days: float = Field(
        default=30,
        gt=0,
        description="Results of stages, and data that only they need; a retrain computes them "
        "again.",
    )
    log_days: float = Field(
        default=400,
        gt=0,
        description="Prediction log and feedback; at least the days that a retrain learns from "
        "(`feedback.days`).",
    )
    compact_days: float = Field(
        default=40,
        gt=0,
        description="A day of the prediction log this old becomes one file, when no monitor "
        "counts its files any more.",
    )
    run_days: float = Field(
        default=90,
        gt=0,
        description="Reports; runs of Prefect, of MLflow without a registered version, and of "
        "W&B that were sent; studies; in MLflow the files of versions whose bundle is gone.",
    )
    model_name: str = Field(
        default="housing-price", min_length=1, description="Registered model in MLflow."
    )
