"""Records of the split."""

from __future__ import annotations

from pydantic import Field

from housing_ml.records.base import Record, Told
from housing_ml.records.refs import DatasetRef


class Stratum(Record):
    """The share of one part of the rows on either side."""

    kind: str
    name: str
    train_share: float
    holdout_share: float


class SplitReport(Record):
    """How many rows are on either side, and how alike the sides are."""

    train_rows: int
    holdout_rows: int
    strata: tuple[Stratum, ...] = Field(description="By income band and ocean proximity.")

    @property
    def largest_difference(self) -> float:
        """Largest difference between a stratum's shares on the two sides, as a fraction."""
        return max(abs(part.train_share - part.holdout_share) for part in self.strata)


class SplitResult(Record):
    """The two sides of the split."""

    train: DatasetRef
    holdout: DatasetRef
    report: SplitReport

    def __str__(self) -> str:
        """Say it for a person."""
        return f"{self.train.rows:,} training rows, {self.holdout.rows:,} held out"

    def told(self) -> Told:
        """Tell how many rows are on either side."""
        sides = self.report
        return Told({}, {"train_rows": sides.train_rows, "holdout_rows": sides.holdout_rows})
