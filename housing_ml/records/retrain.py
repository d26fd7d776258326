"""Records of what becomes of a model, and of a whole retrain."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from housing_ml.config.choices import ModelName, Parameters
from housing_ml.records.base import Record
from housing_ml.records.evaluation import Evaluation, EvaluationResult
from housing_ml.records.features import FeaturesResult
from housing_ml.records.gate import GateDecision
from housing_ml.records.imputation import ImputationResult
from housing_ml.records.ingestion import IngestResult, MergeResult
from housing_ml.records.selection import SelectionResult
from housing_ml.records.split import SplitResult
from housing_ml.records.sweep import SweepOutcome
from housing_ml.records.training import TrainingResult


class Stages(Record):
    """The results of a retrain's stages up to the trained and judged model."""

    ingestion: IngestResult
    merge: MergeResult | None = Field(default=None, description="None without feedback.")
    split: SplitResult
    imputation: ImputationResult
    features: FeaturesResult
    selection: SelectionResult
    sweep: SweepOutcome
    training: TrainingResult
    evaluation: EvaluationResult


class RegisteredVersion(Record):
    """A model version in the MLflow registry."""

    name: str
    version: str
    run_id: str
    bundle_digest: str

    def __str__(self) -> str:
        """Say it for a person."""
        return f"{self.name} version {self.version}"


class RetrainResult(Record):
    """What a retrain did, for people (`summary`) and for scripts (the rest)."""

    version: str = Field(description="In the registry.")
    bundle: str = Field(description="Digest of the model's bundle.")
    promoted: bool = Field(description="Whether the model is the champion now.")
    probation: Literal["canary", "shadow"] | None = Field(
        default=None, description="As what it passed the gate, where it is not the champion yet."
    )
    asked: bool = Field(default=False, description="Whether a person is to decide.")
    decision: GateDecision
    evaluation: Evaluation
    winner: ModelName
    parameters: Parameters
    synthetic: bool
    reports: str = Field(description="Folder of the figures and of this summary.")
    summary: str = Field(description="Markdown.")
