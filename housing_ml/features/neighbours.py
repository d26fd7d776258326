"""What houses cost nearby: statistics of the target over the nearest training rows.

They are the strongest features known for these data. One query of one k-d tree serves them all:
the 16 nearest rows are averaged under four weightings, and the one by similarity prefers
neighbours of like income, age, size and crowding.

A row's statistics are the same bit for bit alone and among a million: its sums run along its own
contiguous values, and its small product of matrices has the same shape among any others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from housing_ml.features.kd_tree import NearestPoints

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from housing_ml.features.geography import Floats

COUNT = 16
"""Neighbours of a row; fewer where the training rows are fewer."""

FEW = 4
"""Neighbours of the narrowest mean."""

NEAR = 1.0
"""Kilometres added to a distance before it becomes an inverse weight."""

REACH = 4.5
"""Kilometres at which the weight by similarity has fallen by one standard deviation."""

LIKENESS = np.array([0.2, 9.0, 0.3, 0.3])[:, np.newaxis]
"""The same for the attributes: log income, years, log rooms and log persons per household."""

_NEARNESS, _ALIKENESS = np.sqrt(0.5) / REACH, np.sqrt(0.5) / LIKENESS
"""Factors after which squares add up to the exponent of a normal density."""

WEIGHTINGS = (f"nearest_{FEW}", f"nearest_{COUNT}", "by_distance", "by_similarity")
VALUES = ("price", "residual", "log_income")
NAMES = (
    *(f"neighbours_{value}_{weighting}" for weighting in WEIGHTINGS for value in VALUES),
    "neighbours_price_nearest",
    "neighbours_price_spread",
    "distance_to_nearest_row",
    "distance_to_last_neighbour",
)


class Nearest(NamedTuple):
    """Distances in kilometres and numbers of training rows, (n, k) each, the nearest first."""

    distance: Floats
    number: NDArray[np.integer[Any]]


class Neighbours:
    """Training rows with their prices, ready to be asked for a place's neighbours.

    Args:
        places: float64 (n, 2), kilometres.
        values: float64 (6, n): price and its residual on income, both in dollars, then the
            attributes of `LIKENESS`.
    """

    def __init__(self, places: Floats, values: Floats) -> None:
        self.places = places
        self.values = values
        self._count = min(COUNT, len(places) - 1)
        self._tree = NearestPoints(places)
        self._scaled = np.vstack([values[:3], values[2:] * _ALIKENESS])
        self._means = np.zeros((2, 1, self._count))
        for weights, count in zip(self._means[:, 0], (FEW, COUNT), strict=True):
            weights[:count] = 1 / min(count, self._count)

    @classmethod
    def fit(cls, places: Floats, attributes: Floats, prices: Floats) -> Neighbours:
        """Build from training rows: places (n, 2), attributes (4, n) and prices (n,) in dollars."""
        powers = np.vander(attributes[0], 3)
        coefficients, *_ = np.linalg.lstsq(powers, prices)
        residual = prices - powers @ coefficients
        return cls(np.ascontiguousarray(places), np.vstack([prices, residual, attributes]))

    def nearest(self, places: Floats, count: int) -> Nearest:
        """Return the training rows that lie nearest to places (n, 2)."""
        return Nearest(*self._tree.query(places, min(count, len(self.places) - 1)))

    def others(self, rows: slice, count: int) -> Nearest:
        """Return what lies nearest to training rows themselves: other rows.

        A row is left out by its number, not by its distance: many rows share one place.
        """
        count = min(count, len(self.places) - 1)
        distance, number = self._tree.query(self.places[rows], count + 1)
        others = number != np.arange(len(self.places))[rows, np.newaxis]
        others[others.all(axis=1), -1] = False
        shape = (len(number), count)
        return Nearest(distance[others].reshape(shape), number[others].reshape(shape))

    def statistics(self, nearest: Nearest, attributes: Floats) -> Floats:
        """Return float64 (n, 16), the columns of `NAMES`, over the nearest training rows."""
        distance, number = nearest.distance[:, : self._count], nearest.number[:, : self._count]
        values = self._scaled.take(number, axis=1)
        values[3:] -= (attributes * _ALIKENESS)[:, :, np.newaxis]
        weights = self._weights(distance, values[3:])
        statistics = np.empty((len(distance), len(NAMES)))
        means = statistics[:, :-4].reshape(-1, len(WEIGHTINGS), len(VALUES))
        np.matmul(weights.transpose(1, 0, 2), values[:3].transpose(1, 2, 0), out=means)
        means[:, 2:] /= weights[2:].sum(axis=-1).T[:, :, np.newaxis]
        price = values[0]
        deviation = price - means[:, 1, :1]
        deviation *= deviation
        statistics[:, -4] = price[:, 0]
        np.sqrt(deviation.sum(axis=-1) / self._count, out=statistics[:, -3])
        statistics[:, -2] = distance[:, 0]
        statistics[:, -1] = distance[:, -1]
        return statistics

    def _weights(self, distance: Floats, difference: Floats) -> Floats:
        """Return weights (4, n, k) from distances (n, k) and scaled differences (4, n, k).

        `difference` is overwritten: fresh memory for so many numbers costs as much as their sums.
        """
        weights = np.empty((len(WEIGHTINGS), *distance.shape))
        weights[:2] = self._means
        np.divide(1, distance + NEAR, out=weights[2])
        difference *= difference
        near = distance * _NEARNESS
        near *= near
        near += np.add.reduce(difference)
        # the constant leaves a plain mean where nobody is alike
        np.add(np.exp(np.negative(near, out=near), out=near), 1e-6, out=weights[3])
        return weights

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the whole state; the tree is built from it again."""
        return {"places": self.places, "values": self.values}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Neighbours:
        """Return the object whose `to_arrays` gave `arrays`."""
        return cls(arrays["places"], arrays["values"])
