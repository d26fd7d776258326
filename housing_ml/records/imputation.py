"""Records of the comparison of imputers."""

from __future__ import annotations

from housing_ml.config.choices import ImputerName
from housing_ml.records.base import Record, Told


class ImputerScore(Record):
    """One imputer's error on masked known values, in bedrooms, over the repeats."""

    name: ImputerName
    rmse: float
    rmse_std: float


class ImputationReport(Record):
    """The comparison; `scores` are in the order of the config's candidates."""

    chosen: ImputerName
    scores: tuple[ImputerScore, ...]
    masked: int
    missing: int


class ImputationResult(Record):
    """The comparison of imputers."""

    report: ImputationReport

    def __str__(self) -> str:
        """Say it for a person."""
        return f"{self.report.chosen} is best"

    def told(self) -> Told:
        """Tell the best imputer, and each one's RMSE in bedrooms."""
        scores = {f"rmse_{score.name}": score.rmse for score in self.report.scores}
        return Told({"chosen": self.report.chosen}, scores)
