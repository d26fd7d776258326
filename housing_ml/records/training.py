"""Records of the training."""

from __future__ import annotations

from pydantic import Field

from housing_ml.records.base import Record, Told
from housing_ml.records.evaluation import PlaceFigures
from housing_ml.records.refs import ArtifactRef

BLOCK_DEGREES = 0.25
"""Width and height of the blocks of the map that are left out as a whole: some 25 kilometres."""


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
    places: PlaceFigures = Field(description="Out of fold, on the training rows.")
    pipeline: ArtifactRef = Field(description="The scikit-learn pipeline.")
    blocked_wmape: float | None = Field(
        default=None, description="wMAPE of the training rows where their block was left out."
    )

    def __str__(self) -> str:
        """Say it for a person."""
        return f"bundle {self.bundle.digest[:12]}"

    def told(self) -> Told:
        """Tell the number of rows, and the error where whole blocks are left out."""
        blocked = {} if self.blocked_wmape is None else {"blocked_wmape": self.blocked_wmape}
        return Told({}, {"rows": self.bundle.rows} | blocked)
