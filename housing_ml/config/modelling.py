"""The comparisons, the final fit, and its evaluation."""

from __future__ import annotations

from pydantic import Field

from housing_ml.config.base import Config
from housing_ml.config.choices import ImputerName, ModelName


class ImputationConfig(Config):
    """The comparison of imputers on known values that are masked."""

    candidates: tuple[ImputerName, ...] = Field(
        default=("median", "mean", "neighbours", "forest"),
        min_length=1,
        description="Imputers to compare.",
    )
    masked_share: float = Field(
        default=0.2, gt=0, lt=1, description="Share of the known values masked in each repeat."
    )
    repeats: int = Field(default=3, ge=1, description="Repeats, each with another mask.")
    most_rows: int = Field(
        default=50_000,
        ge=1000,
        description="Of more training rows, imputers are compared on a sample of so many.",
    )
    seed: int = Field(default=42, ge=0, description="Seed of the masks, the forest, the sample.")


class FeatureConfig(Config):
    """The choice of the number of clusters; the other features are fixed in `features.py`."""

    cluster_candidates: tuple[int, ...] = Field(
        default=(0, 10, 20, 40),
        min_length=1,
        description="Numbers of clusters to compare by cross-validated model error; 0 is none.",
    )
    folds: int = Field(default=3, ge=2, description="Folds of that cross-validation.")
    most_rows: int = Field(
        default=50_000,
        ge=1000,
        description="Of more training rows, numbers are compared on a sample of so many.",
    )
    seed: int = Field(default=42, ge=0, description="Seed of k-means and of the folds.")


class Candidate(Config):
    """One model with the grid of parameters to try."""

    model: ModelName = Field(description="Which model.")
    grid: dict[str, tuple[bool | int | float | str | None, ...]] = Field(
        default_factory=dict,
        description="Values to try by parameter name; every combination is evaluated.",
    )


DEFAULT_CANDIDATES = (
    Candidate(model="ridge", grid={"alpha": (1.0, 100.0)}),
    Candidate(model="lasso", grid={"alpha": (10.0, 100.0)}),
    Candidate(model="decision_tree", grid={"min_samples_leaf": (10, 30)}),
    Candidate(model="random_forest"),
    Candidate(model="extra_trees"),
    Candidate(model="gradient_boosting"),
    Candidate(model="histogram_gradient_boosting"),
)


class SelectionConfig(Config):
    """The comparison of models by cross-validation inside the training rows."""

    candidates: tuple[Candidate, ...] = Field(
        default=DEFAULT_CANDIDATES, min_length=1, description="Models and grids to compare."
    )
    folds: int = Field(default=3, ge=2, description="Folds; features are refitted in each.")
    most_rows: int = Field(
        default=50_000,
        ge=1000,
        description="Of more training rows, models are compared on a sample of so many; the chosen "
        "one is trained on all.",
    )
    seed: int = Field(default=42, ge=0, description="Seed of the folds, the models, the sample.")
    overfitting_ratio: float = Field(
        default=1.5,
        gt=1,
        description="Flag a model whose validation RMSE is more than this times its training RMSE.",
    )


class TrainingConfig(Config):
    """The final fit on all training rows and its prediction interval."""

    interval_level: float = Field(
        default=0.9, gt=0.5, lt=1, description="Coverage that the prediction interval aims at."
    )
    folds: int = Field(default=5, ge=2, description="Folds of the conformal calibration.")
    most_rows: int = Field(
        default=100_000,
        ge=1000,
        description="Of more training rows, those of one fold calibrate the interval; the model "
        "is trained on all.",
    )
    seed: int = Field(default=42, ge=0, description="Seed of the folds and of the model.")


class EvaluationConfig(Config):
    """The metrics on the holdout and their bootstrap intervals."""

    bootstrap_samples: int = Field(default=1000, ge=100, description="Bootstrap samples.")
    confidence: float = Field(default=0.95, gt=0.5, lt=1, description="Level of the intervals.")
    seed: int = Field(default=42, ge=0, description="Seed of the bootstrap.")
