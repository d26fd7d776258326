"""Record of the evaluation."""

from __future__ import annotations

from pydantic import Field

from housing_ml.evaluation import Evaluation
from housing_ml.records.base import Record
from housing_ml.storage import ArtifactRef, DatasetRef


class EvaluationResult(Record):
    """The model on the holdout, seen once."""

    evaluation: Evaluation
    skew: float = Field(
        ge=0, description="Largest relative difference between bundle and pipeline, all rows."
    )
    predictions: DatasetRef = Field(description="Identity hash, actual and predicted price by row.")
    figures: dict[str, ArtifactRef]

    def __str__(self) -> str:
        """Say it for a person."""
        found = self.evaluation.metrics
        return f"RMSE {found.rmse:,.0f} $, R2 {found.r2:.4f}, MAPE {found.mape:.2%}"
