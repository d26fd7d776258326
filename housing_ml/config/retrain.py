"""The config of a retrain, and the form in Prefect's UI.

Every default is embedded, so that `RetrainConfig()` trains a good model. Configs are frozen and
strict: an unknown name or a value out of range is an error that names the field.

    >>> RetrainConfig(split={"holdout_share": 0.25}).split.holdout_share
    0.25
"""

from __future__ import annotations

from pydantic import Field

from housing_ml.config.base import Config
from housing_ml.config.data import DataConfig, SplitConfig
from housing_ml.config.feedback import FeedbackConfig
from housing_ml.config.gate import GateConfig
from housing_ml.config.modelling import (
    EvaluationConfig,
    FeatureConfig,
    ImputationConfig,
    SelectionConfig,
    TrainingConfig,
)
from housing_ml.config.promotion import PromotionConfig
from housing_ml.config.release import ReleaseConfig
from housing_ml.config.sweep import SweepConfig


class RegistryConfig(Config):
    """The model's name in the MLflow registry."""

    model_name: str = Field(
        default="housing-price", min_length=1, description="Registered model in MLflow."
    )


class RetrainConfig(Config):
    """Everything that a retrain may be told, in groups: what is changed often comes first."""

    data: DataConfig = Field(default=DataConfig(), title="Often: data")
    sweep: SweepConfig = Field(default=SweepConfig(), title="Often: sweep")
    release: ReleaseConfig = Field(default=ReleaseConfig(), title="Often: release")
    promotion: PromotionConfig = Field(default=PromotionConfig(), title="Often: promotion")
    gate: GateConfig = Field(default=GateConfig(), title="Limits: gate")
    evaluation: EvaluationConfig = Field(default=EvaluationConfig(), title="Limits: evaluation")
    feedback: FeedbackConfig = Field(default=FeedbackConfig(), title="Rows: feedback")
    split: SplitConfig = Field(default=SplitConfig(), title="Rows: split")
    imputation: ImputationConfig = Field(default=ImputationConfig(), title="Model: imputation")
    features: FeatureConfig = Field(default=FeatureConfig(), title="Model: features")
    selection: SelectionConfig = Field(default=SelectionConfig(), title="Model: selection")
    training: TrainingConfig = Field(default=TrainingConfig(), title="Model: training")
    registry: RegistryConfig = Field(default=RegistryConfig(), title="Record: registry")
