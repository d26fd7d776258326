"""What the stages choose between, by name."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from housing_ml.config.base import Config

ImputerName = Literal["median", "mean", "neighbours", "forest"]


ModelName = Literal[
    "random_forest",
    "gradient_boosting",
    "ridge",
    "lasso",
    "decision_tree",
    "extra_trees",
    "histogram_gradient_boosting",
]


DriverName = Literal["auto", "optuna", "wandb"]


ColumnName = Literal[
    "longitude",
    "latitude",
    "housing_median_age",
    "total_rooms",
    "total_bedrooms",
    "population",
    "households",
    "median_income",
    "ocean_proximity",
    "median_house_value",
]


Parameters = dict[str, bool | int | float | str | None]


class FeatureParameters(Config):
    """What the comparisons chose for the features; the later stages build on it."""

    imputer: ImputerName = Field(default="forest", description="Chosen imputer.")
    clusters: int = Field(default=20, ge=0, description="Chosen number of clusters.")
    seed: int = Field(default=42, ge=0, description="Seed of k-means.")
