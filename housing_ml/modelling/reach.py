"""How wrong the model is by distance to the nearest training row."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from housing_ml.modelling.metrics import Bootstrap, metrics, wmape_interval
from housing_ml.records.evaluation import Reach

if TYPE_CHECKING:
    from collections.abc import Iterator

    from housing_ml.bundle.model import Prediction

Vector: TypeAlias = NDArray[np.float64]

EDGES = (0.5, 1.0, 2.0, 5.0, 10.0)
"""Kilometres. Fixed, so that bands mean the same in every run."""


def by_distance(
    kilometres: Vector, actual: Vector, prediction: Prediction, bootstrap: Bootstrap
) -> tuple[Reach, ...]:
    """Return the error by distance of rows to the nearest training row, the near ones first.

    All have the shape (rows,); prices are in dollars. Bands without a row are left out.
    """
    covered = (prediction.lower <= actual) & (actual <= prediction.upper)
    return tuple(
        Reach(
            name=name,
            rows=int(rows.sum()),
            wmape=metrics(actual[rows], prediction.price[rows]).wmape,
            interval=wmape_interval(actual[rows], prediction.price[rows], bootstrap),
            coverage=float(covered[rows].mean()),
        )
        for name, rows in _bands(kilometres)
        if rows.any()
    )


def _bands(kilometres: Vector) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    inner = [f"{low:g} to {high:g} km" for low, high in pairwise(EDGES)]
    names = [f"within {EDGES[0]:g} km", *inner, f"{EDGES[-1]:g} km and more"]
    band = np.searchsorted(EDGES, kilometres, side="right")
    yield from ((name, band == number) for number, name in enumerate(names))
