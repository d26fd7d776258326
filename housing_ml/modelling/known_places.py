"""Errors at places that training knows too, and at places that it does not. Pure.

A model has an easier time with a block group whose neighbours in the same spot it has seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from housing_ml.data.contract import COLUMNS, PLACE, Matrix
from housing_ml.modelling.metrics import metrics
from housing_ml.records.evaluation import PlaceFigures, PlaceSide

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    Vector = NDArray[np.float64]
    Rows = NDArray[np.intp]

_PLACE = [COLUMNS.index(name) for name in PLACE]
_LEAST = 2


def is_known(raw: Matrix, train: Matrix) -> NDArray[np.bool_]:
    """Whether the place of each row of `raw` has others in `train`, (rows,)."""
    known = {*map(tuple, train[:, _PLACE].tolist())}
    return np.array([tuple(place) in known for place in raw[:, _PLACE].tolist()], dtype=np.bool_)


def is_known_out_of_fold(raw: Matrix, folds: Iterable[tuple[Rows, Rows]]) -> NDArray[np.bool_]:
    """Whether the place of each row has others among those that its fold was trained on, (rows,).

    `folds` are the rows that each was trained on, and those that it priced.
    """
    known = np.zeros(len(raw), dtype=np.bool_)
    for inside, outside in folds:
        known[outside] = is_known(raw[outside], raw[inside])
    return known


def by_place(actual: Vector, predicted: Vector, known: NDArray[np.bool_]) -> PlaceFigures:
    """Return the figures of prices in dollars, (rows,), on either side of `known`."""
    sides = [
        PlaceSide(
            rows=int(rows.sum()),
            metrics=metrics(actual[rows], predicted[rows]) if rows.sum() >= _LEAST else None,
        )
        for rows in (known, ~known)
    ]
    return PlaceFigures(known=sides[0], new=sides[1])
