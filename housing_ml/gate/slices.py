"""A candidate's errors by slice of the holdout, beside the champion's on the same rows.

Figures come with standard errors, so that who judges them can choose the confidence by the
number of slices it looks at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from housing_ml.modelling.evaluation import parts
from housing_ml.modelling.ratio import Pair, Ratio, ratio
from housing_ml.records.evaluation import SliceKind

if TYPE_CHECKING:
    from housing_ml.bundle.model import Prediction
    from housing_ml.data.contract import Matrix

Vector: TypeAlias = NDArray[np.float64]


class SliceEvidence(BaseModel):
    """What is known of one slice."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    kind: SliceKind = Field(description="What the rows are divided by.")
    name: str = Field(description="Which part: a category, a city, or a band in dollars.")
    rows: int = Field(ge=1, description="Rows in it.")
    wmape: Ratio = Field(description="The candidate's.")
    covered: int = Field(ge=0, description="Rows whose price lies inside its interval.")
    difference: Ratio | None = Field(
        description="wMAPE of the candidate less the champion's on the rows that both predicted."
    )
    champion: float | None = Field(description="wMAPE of the champion on those.")

    def __str__(self) -> str:
        """Say which."""
        return f"{self.kind} {self.name}"


def compare_slices(
    raw: Matrix, actual: Vector, prediction: Prediction, champion: Vector | None
) -> tuple[SliceEvidence, ...]:
    """Return the evidence of each slice that has rows.

    Args:
        raw: rows of the holdout, (rows, 9).
        actual: their prices in dollars, (rows,).
        prediction: the candidate's.
        champion: the champion's prices in dollars, (rows,), NaN where it has none.
    """
    errors = np.abs(prediction.price - actual)
    covered = (prediction.lower <= actual) & (actual <= prediction.upper)
    rival = np.full(len(actual), np.nan) if champion is None else np.abs(champion - actual)
    found = []
    for kind, name, rows in parts(raw, actual):
        difference, beaten = _against(errors[rows], rival[rows], actual[rows])
        found.append(
            SliceEvidence(
                kind=kind,
                name=name,
                rows=int(rows.sum()),
                wmape=ratio(Pair.of(errors[rows], actual[rows]), int(rows.sum())),
                covered=int(covered[rows].sum()),
                difference=difference,
                champion=beaten,
            )
        )
    return tuple(found)


def _against(errors: Vector, rival: Vector, actual: Vector) -> tuple[Ratio | None, float | None]:
    both = np.isfinite(rival)
    if not both.any():
        return None, None
    sums = Pair.of(errors[both] - rival[both], actual[both])
    difference = ratio(sums, int(both.sum()))
    return difference, float(rival[both].sum() / actual[both].sum())
