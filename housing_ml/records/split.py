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
    known_places: int = Field(description="Held-out rows whose place has others in training.")
    strata: tuple[Stratum, ...] = Field(description="By income band and ocean proximity.")

    @property
    def measures(self) -> str:
        """What a figure on the holdout is of."""
        known, new = self.known_places, self.holdout_rows - self.known_places
        if not known:
            return "whole places are held out: what follows is of places that training has not seen"
        return f"{known:,} of them at places that training knows too, {new:,} at others"

    @property
    def largest_difference(self) -> float:
        """Largest difference between a stratum's shares on the two sides, as a fraction."""
        return max(abs(part.train_share - part.holdout_share) for part in self.strata)


class SplitResult(Record):
    """The two sides of the split."""

    train: DatasetRef
    holdout: DatasetRef
    report: SplitReport

    @property
    def sides(self) -> tuple[DatasetRef, DatasetRef]:
        """Training and held-out rows."""
        return self.train, self.holdout

    def __str__(self) -> str:
        """Say it for a person."""
        return f"{self.train.rows:,} training rows, {self.holdout.rows:,} held out"

    def told(self) -> Told:
        """Tell how many rows are on either side."""
        sides = self.report
        return Told({}, {"train_rows": sides.train_rows, "holdout_rows": sides.holdout_rows})
