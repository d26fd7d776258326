"""Record of the sweep."""

from __future__ import annotations

from housing_ml.records.base import Record
from housing_ml.storage import ArtifactRef
from housing_ml.sweep import SweepResult


class SweepOutcome(Record):
    """The search for the winner's parameters."""

    result: SweepResult
    figures: dict[str, ArtifactRef]

    def __str__(self) -> str:
        """Say it for a person."""
        return (
            f"{len(self.result.trials)} trials, best CV wMAPE {self.result.best_wmape:.2%}"
            if self.result.best_wmape
            else "no trials"
        )
