"""The training rows that a price leans on most: near, and alike in income, age, size and crowding.

They are of the neighbours whose prices are among the model's features, those of the greatest
weight by similarity. One row among a hundred thousand is found by a plain pass over all of them,
in a millisecond; only explanations ask.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from housing_ml.data.contract import COLUMNS
from housing_ml.features.geography import KILOMETRES_PER_DEGREE, plane
from housing_ml.features.neighbours import COUNT, LIKENESS, REACH
from serve.schemas import Comparable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from housing_ml.bundle.model import Bundle
    from housing_ml.data.contract import Matrix

SHOWN = 5

_AGE = COLUMNS.index("housing_median_age")
_ROOMS = COLUMNS.index("total_rooms")
_PERSONS = COLUMNS.index("population")
_HOUSEHOLDS = COLUMNS.index("households")
_INCOME = COLUMNS.index("median_income")


def comparables(bundle: Bundle, raw: Matrix) -> list[list[Comparable]]:
    """Return the `SHOWN` training rows that count most for each raw row (rows, 9), best first."""
    neighbours = bundle.features.neighbours_
    places, prices, attributes = neighbours.places, neighbours.values[0], neighbours.values[2:6]
    found = []
    for place, own in zip(plane(raw[:, :2]), _attributes(raw), strict=True):
        away = np.hypot(*(places - place).T)
        nearest = np.argsort(away, kind="stable")[:COUNT]
        unlike = (attributes[:, nearest] - own[:, np.newaxis]) / LIKENESS
        distance = (away[nearest] / REACH) ** 2 + (unlike**2).sum(axis=0)
        chosen = nearest[np.argsort(distance, kind="stable")[:SHOWN]]
        longitude, latitude = (places[chosen] / KILOMETRES_PER_DEGREE).T
        columns = longitude, latitude, prices[chosen], away[chosen], np.exp(attributes[0, chosen])
        rows = np.column_stack([*columns, attributes[1, chosen]]).tolist()
        found.append([Comparable(*row) for row in rows])
    return found


def _attributes(raw: Matrix) -> NDArray[np.float64]:
    """Return what makes neighbours alike, (rows, 4), as the neighbour features have it."""
    logs = np.log(raw[:, [_INCOME, _ROOMS, _PERSONS, _HOUSEHOLDS]])
    income, rooms, persons, households = logs.T
    return np.column_stack([income, raw[:, _AGE], rooms - households, persons - households])
