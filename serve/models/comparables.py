"""The training rows that a price leans on most: near, and alike in income, age, size and crowding.

They are of the neighbours whose prices are among the model's features, those of the greatest
weight by similarity.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from housing_ml.features.geography import KILOMETRES_PER_DEGREE, plane
from housing_ml.features.neighbours import COUNT, LIKENESS, REACH
from housing_ml.features.raw_rows import attributes_of, logs_of
from serve.schemas import Comparable

if TYPE_CHECKING:
    from housing_ml.bundle.model import Bundle
    from housing_ml.data.contract import Matrix

SHOWN = 5


def comparables(bundle: Bundle, raw: Matrix) -> list[list[Comparable]]:
    """Return the `SHOWN` training rows that count most for each raw row (rows, 9), best first."""
    neighbours = bundle.features.neighbours_
    places, prices, attributes = neighbours.places, neighbours.values[0], neighbours.values[2:6]
    distances, numbers = neighbours.nearest(plane(raw[:, :2]), COUNT)
    found = []
    for away, nearest, own in zip(
        distances, numbers, attributes_of(raw, logs_of(raw)).T, strict=True
    ):
        unlike = (attributes[:, nearest] - own[:, np.newaxis]) / LIKENESS
        distance = (away / REACH) ** 2 + (unlike**2).sum(axis=0)
        best = np.argsort(distance, kind="stable")[:SHOWN]
        chosen = nearest[best]
        longitude, latitude = (places[chosen] / KILOMETRES_PER_DEGREE).T
        columns = longitude, latitude, prices[chosen], away[best], np.exp(attributes[0, chosen])
        rows = np.column_stack([*columns, attributes[1, chosen]]).tolist()
        found.append([Comparable(*row) for row in rows])
    return found
