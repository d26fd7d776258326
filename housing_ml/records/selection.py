"""Records of the comparison of models."""

from __future__ import annotations

from pydantic import Field

from housing_ml.config.choices import ModelName, Parameters
from housing_ml.records.base import Record, Told
from housing_ml.records.metrics import Metrics


class CandidateScore(Record):
    """One model with one set of parameters, cross-validated."""

    model: ModelName
    parameters: Parameters = Field(description="Those of the grid; others have their defaults.")
    train: Metrics = Field(description="Mean over folds, on the rows that were fitted.")
    validation: Metrics = Field(description="Mean over folds, on the rows that were held out.")
    validation_std: Metrics = Field(description="Standard deviation over folds.")
    folds: int = Field(ge=1, description="How many it got to; a poor one sees the first alone.")
    overfitting: bool = Field(description="Whether validation is much worse than training.")
    seconds: float = Field(ge=0, description="Time to fit and predict all folds.")


class SelectionReport(Record):
    """The comparison and its winner."""

    winner: ModelName
    parameters: Parameters = Field(description="The winner's, of the grid.")
    candidates: tuple[CandidateScore, ...] = Field(
        description="The least validation wMAPE first; last those that saw one fold."
    )
    rows: int
    folds: int
    feature_seconds: float = Field(ge=0, description="Time to fit the features in all folds.")


class SelectionResult(Record):
    """The comparison of models."""

    report: SelectionReport

    def __str__(self) -> str:
        """Say it for a person."""
        wmape = self.report.candidates[0].validation.wmape
        return f"{self.report.winner} wins with CV wMAPE {wmape:.2%}"

    def told(self) -> Told:
        """Tell the winner, and the wMAPE of each model with its best parameters."""
        ranked = reversed(self.report.candidates)
        scores = {f"cv_wmape_{score.model}": score.validation.wmape for score in ranked}
        return Told({"winner": self.report.winner}, scores)
