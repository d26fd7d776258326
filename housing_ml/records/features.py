"""Records of the choice of features."""

from __future__ import annotations

from pydantic import Field

from housing_ml.config.choices import FeatureParameters
from housing_ml.records.base import Record, Told


class ClusterScore(Record):
    """One number of clusters: the model's error with it, and three scores that see no model."""

    clusters: int = Field(ge=0)
    cv_wmape: float = Field(description="Mean over folds, as a fraction; decides.")
    cv_rmse: float = Field(description="Mean over folds, in dollars.")
    inertia: float | None = Field(description="Squared kilometres to the nearest centre, summed.")
    silhouette: float | None = Field(description="From -1 to 1; higher is better.")
    davies_bouldin: float | None = Field(description="From 0; lower is better.")


class ClusterReport(Record):
    """The comparison; `scores` are in the order of the config's candidates."""

    chosen: int
    scores: tuple[ClusterScore, ...]


class FeaturesResult(Record):
    """The comparison of numbers of clusters, and what the features are built with."""

    report: ClusterReport
    parameters: FeatureParameters

    def __str__(self) -> str:
        """Say it for a person."""
        return f"{self.report.chosen} clusters"

    def told(self) -> Told:
        """Tell the best number of clusters, and the wMAPE with each."""
        scores = {
            f"cv_wmape_{score.clusters}_clusters": score.cv_wmape for score in self.report.scores
        }
        return Told({"chosen": self.report.chosen}, scores)
