"""Records of the training."""

from __future__ import annotations

from pydantic import Field

from housing_ml.records.base import Record, Told
from housing_ml.records.refs import ArtifactRef


class BundleRef(Record):
    """A stored bundle: its digest, its files by name, and what the later stages ask of it."""

    digest: str
    files: dict[str, ArtifactRef]
    model: str
    feature_fingerprint: str
    interval_level: float
    data_digest: str = Field(description="Of the training rows.")
    rows: int = Field(description="Training rows.")
    synthetic: bool


class TrainingResult(Record):
    """The fitted model in its two forms."""

    bundle: BundleRef
    pipeline: ArtifactRef = Field(description="The scikit-learn pipeline.")

    def __str__(self) -> str:
        """Say it for a person."""
        return f"bundle {self.bundle.digest[:12]}"

    def told(self) -> Told:
        """Tell the number of rows."""
        return Told({}, {"rows": self.bundle.rows})
