"""What a person may turn: the config of a retrain and its parts, and the form in Prefect's UI.

Every default is embedded, so that `RetrainConfig()` trains a good model. Configs are frozen and
strict: an unknown name or a value out of range is an error that names the field.

    >>> RetrainConfig(split={"holdout_share": 0.25}).split.holdout_share
    0.25
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from housing_ml.errors import HousingError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


PUBLIC_DATA_URL = (
    "https://raw.githubusercontent.com/ageron/handson-ml2/master/datasets/housing/housing.tgz"
)
PUBLIC_DATA_SHA256 = "d4cd501af90475f09b814c7447c7701f59bf28e8cf1180205ae5ace9737a0109"

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
Parameters = dict[str, bool | int | float | str | None]


class ConfigError(HousingError, ValueError):
    """A config that cannot be used; the message names each offending field."""


class Config(BaseModel):
    """Frozen and strict base of every part."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def load(cls, path: Path | None = None, overrides: Sequence[str] = ()) -> Self:
        """Read a YAML or JSON file, with `name.of.field=value` overrides on top.

        Raises:
            ConfigError: one message that names each offending field.
        """
        document = _read(path) if path else {}
        for override in overrides:
            _set(document, override)
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            lines = [
                f"{'.'.join(map(str, fault['loc']))}: {fault['msg']} (found {fault['input']!r})"
                for fault in error.errors()
            ]
            raise ConfigError("\n".join(lines)) from None


class DataConfig(Config):
    """Where the raw data come from and how much of them may break the contract."""

    url: str | None = Field(
        default=None,
        description="https://, gs://, file:// or a path to a .tgz, .csv or .parquet. "
        "Empty: HOUSING_DATA_URL, or else the public California housing data.",
    )
    sha256: str | None = Field(
        default=None,
        pattern="^[0-9a-f]{64}$",
        description="Expected SHA-256 of the source file. Empty: checked for the public data only.",
    )
    max_quarantined_share: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="Stop when a larger share of the rows breaks the contract.",
    )
    synthetic: bool = Field(
        default=False,
        description="Generate a synthetic sample instead of reading a source. Never promoted over "
        "a model of real data.",
    )


class FeedbackConfig(Config):
    """What is learned from the service: rows that it priced and whose actual price has come."""

    days: int = Field(
        default=365,
        ge=0,
        description="Of so many last days; 0 is none. Prices that newer ones contradict are left "
        "out, those of the source too.",
    )


class SplitConfig(Config):
    """Which rows are held out: by a hash of a row's identity, stable as data grow."""

    holdout_share: float = Field(default=0.2, gt=0, lt=1, description="Share of rows held out.")
    salt: str = Field(default="housing", description="Another salt gives another split.")


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
    seed: int = Field(default=42, ge=0, description="Seed of the masks and of the forest.")


class FeatureConfig(Config):
    """The choice of the number of clusters; the other features are fixed in `features.py`."""

    cluster_candidates: tuple[int, ...] = Field(
        default=(0, 10, 20, 40),
        min_length=1,
        description="Numbers of clusters to compare by cross-validated model error; 0 is none.",
    )
    folds: int = Field(default=3, ge=2, description="Folds of that cross-validation.")
    seed: int = Field(default=42, ge=0, description="Seed of k-means and of the folds.")


class FeatureParameters(Config):
    """What the comparisons chose for the features; the later stages build on it."""

    imputer: ImputerName = Field(default="forest", description="Chosen imputer.")
    clusters: int = Field(default=20, ge=0, description="Chosen number of clusters.")
    seed: int = Field(default=42, ge=0, description="Seed of k-means.")


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
    Candidate(model="histogram_gradient_boosting", grid={"max_leaf_nodes": (31, 48)}),
)


class SelectionConfig(Config):
    """The comparison of models by cross-validation inside the training rows."""

    candidates: tuple[Candidate, ...] = Field(
        default=DEFAULT_CANDIDATES, min_length=1, description="Models and grids to compare."
    )
    folds: int = Field(default=3, ge=2, description="Folds; features are refitted in each.")
    seed: int = Field(default=42, ge=0, description="Seed of the folds and of the models.")
    overfitting_ratio: float = Field(
        default=1.5,
        gt=1,
        description="Flag a model whose validation RMSE is more than this times its training RMSE.",
    )


class SweepConfig(Config):
    """The search for the winner's best parameters."""

    trials: int = Field(default=8, ge=0, description="Trials; 0 keeps the selected parameters.")
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
    seed: int = Field(default=42, ge=0, description="Seed of the sampler, folds and models.")


class TrainingConfig(Config):
    """The final fit on all training rows and its prediction interval."""

    interval_level: float = Field(
        default=0.9, gt=0.5, lt=1, description="Coverage that the prediction interval aims at."
    )
    folds: int = Field(default=5, ge=2, description="Folds of the conformal calibration.")
    seed: int = Field(default=42, ge=0, description="Seed of the folds and of the model.")


class EvaluationConfig(Config):
    """The metrics on the holdout and their bootstrap intervals."""

    bootstrap_samples: int = Field(default=1000, ge=100, description="Bootstrap samples.")
    confidence: float = Field(default=0.95, gt=0.5, lt=1, description="Level of the intervals.")
    seed: int = Field(default=42, ge=0, description="Seed of the bootstrap.")


class GateConfig(Config):
    """The limits that a model must keep to be promoted."""

    max_rmse: float = Field(default=45_000, gt=0, description="Holdout RMSE in dollars.")
    min_r2: float = Field(default=0.84, le=1, description="Holdout R2.")
    max_mape: float = Field(default=0.16, gt=0, description="Holdout MAPE as a fraction.")
    coverage_tolerance: float = Field(
        default=0.015, gt=0, lt=1, description="Distance of the coverage from its level."
    )
    confidence: float = Field(
        default=0.95,
        gt=0.5,
        lt=1,
        description="Level of the paired bootstrap against the champion.",
    )
    bootstrap_samples: int = Field(default=2000, ge=100, description="Bootstrap samples.")
    minimum_gain: float = Field(
        default=0.0, ge=0, description="Smallest useful relative gain in wMAPE over the champion."
    )
    minimum_slice_rows: int = Field(
        default=100, ge=2, description="Slices of the holdout with fewer rows are not judged."
    )
    max_slice_wmape: float = Field(default=0.3, gt=0, description="wMAPE of any slice.")
    max_slice_loss: float = Field(
        default=0.05, ge=0, description="Relative rise of a slice's wMAPE over the champion's."
    )
    slice_coverage_tolerance: float = Field(
        default=0.05, gt=0, lt=1, description="How far a slice's coverage may lie below its level."
    )
    min_income_effect: float = Field(
        default=0.0, description="Mean relative change of price when every income rises."
    )
    max_map_step: float = Field(
        default=0.05, gt=0, description="Mean relative change of price over 100 m on the map."
    )
    max_missing_bedrooms: float = Field(
        default=0.1, gt=0, description="Mean relative change of price without bedrooms."
    )
    max_microseconds: float = Field(
        default=2_000, gt=0, description="Time of one prediction, without the request around it."
    )
    max_bundle_megabytes: float = Field(default=100, gt=0, description="Size of the bundle.")
    require_committed_code: bool = Field(
        default=False, description="Reject what uncommitted code or unlocked packages trained."
    )


class RegistryConfig(Config):
    """The model's name in the MLflow registry."""

    model_name: str = Field(
        default="housing-price", min_length=1, description="Registered model in MLflow."
    )


class RetrainConfig(Config):
    """Everything that a retrain may be told."""

    data: DataConfig = DataConfig()
    feedback: FeedbackConfig = FeedbackConfig()
    split: SplitConfig = SplitConfig()
    imputation: ImputationConfig = ImputationConfig()
    features: FeatureConfig = FeatureConfig()
    selection: SelectionConfig = SelectionConfig()
    sweep: SweepConfig = SweepConfig()
    training: TrainingConfig = TrainingConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    gate: GateConfig = GateConfig()
    registry: RegistryConfig = RegistryConfig()


def _read(path: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as YAML or JSON: {error}") from None
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: needs names and values at the top, such as `sweep:`")
    return document


def _set(document: dict[str, Any], override: str) -> None:
    name, separator, value = override.partition("=")
    if not separator or not name:
        raise ConfigError(f"{override}: an override looks like sweep.trials=20")
    *parts, last = name.split(".")
    for part in parts:
        child = document.setdefault(part, {})
        if not isinstance(child, dict):
            raise ConfigError(f"{override}: {part} is a value and has no parts")
        document = child
    try:
        document[last] = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ConfigError(f"{override}: the value is no YAML: {error}") from None
