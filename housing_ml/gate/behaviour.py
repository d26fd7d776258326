"""How a model behaves when its inputs change in ways whose effect on a price is known beforehand.

Directional and invariance tests (Ribeiro et al., Beyond Accuracy: Behavioral Testing of NLP Models
with CheckList, 2020), for the served bundle and without any actual price.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from housing_ml.data.contract import COLUMNS, FIELDS, Matrix
from housing_ml.features.geography import KILOMETRES_PER_DEGREE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from housing_ml.bundle.model import Bundle

INCOME_RISES = (1.1, 1.25, 1.5)
"""Factors of the income; the least effect counts."""

STEP_KILOMETRES = 0.1
DIRECTIONS = ((1, 0), (-1, 0), (0, 1), (0, -1))

SINGLE_ROWS = 50
"""How many rows are also asked for one by one."""


class Behaviour(BaseModel):
    """Changes of the predicted prices, as fractions of them."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    income: float = Field(description="Mean change when every income rises: the least of them.")
    map_step: float = Field(ge=0, description="Mean size of the change when a place moves 100 m.")
    row_order: float = Field(
        ge=0, description="Largest change of a row's price by the rows that it comes with."
    )
    missing_bedrooms: float = Field(
        ge=0, description="Mean size of the change when the bedrooms are not known."
    )


def probe(bundle: Bundle, raw: Matrix) -> Behaviour:
    """Ask the bundle about variations of real rows (rows, 9), at least one."""
    price = bundle.predict_matrix(raw).price

    def change(varied: Matrix) -> NDArray[np.float64]:
        return bundle.predict_matrix(varied).price / price - 1

    order = np.random.default_rng(0).permutation(len(raw))
    shuffled = bundle.predict_matrix(raw[order]).price / price[order] - 1
    single = [bundle.predict_matrix(row[None]).price[0] for row in raw[:SINGLE_ROWS]]
    alone = single / price[:SINGLE_ROWS] - 1
    return Behaviour(
        income=min(float(change(_richer(raw, factor)).mean()) for factor in INCOME_RISES),
        map_step=float(np.mean([np.abs(change(_moved(raw, *step))) for step in DIRECTIONS])),
        row_order=float(np.abs(np.concatenate([shuffled, alone])).max()),
        missing_bedrooms=float(np.abs(change(_without_bedrooms(raw))).mean()),
    )


def _richer(raw: Matrix, factor: float) -> Matrix:
    return _changed(raw, "median_income", raw[:, COLUMNS.index("median_income")] * factor)


def _without_bedrooms(raw: Matrix) -> Matrix:
    return _changed(raw, "total_bedrooms", np.full(len(raw), np.nan))


def _moved(raw: Matrix, east: int, north: int) -> Matrix:
    longitude, latitude = raw[:, :2].T
    step = STEP_KILOMETRES / KILOMETRES_PER_DEGREE
    moved = _changed(raw, "longitude", longitude + east * step[0])
    return _changed(moved, "latitude", latitude + north * step[1])


def _changed(raw: Matrix, column: str, values: NDArray[np.float64]) -> Matrix:
    """Return the rows with other values in a column, kept within the contract."""
    field = FIELDS[column]
    changed = raw.copy()
    changed[:, COLUMNS.index(column)] = np.clip(values, field.minimum, field.maximum)
    return changed
