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
    release: ReleaseConfig = ReleaseConfig()
    promotion: PromotionConfig = PromotionConfig()
    registry: RegistryConfig = RegistryConfig()
