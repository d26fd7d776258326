"""Old prices carried along with newer ones: by how much has the level moved, and where? Pure.

A block group whose old and new price are known says by how much its price moved. Within a category
those moves are first brought to today, along the running median of the moves over time. Then each
row is moved by what its nearest pairs say, shrunk towards the category's level where they are few
or noisy, and that towards no move at all. A row that lies further from the pairs than they do from
each other is told nothing by them, and stays as it was: prices of Los Angeles say nothing of San
Francisco. All of it is smooth: there is no number of pairs and no size of a move from which all
changes.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from housing_ml.features.geography import plane

Vector: TypeAlias = NDArray[np.float64]

NEIGHBOURS = 20
"""Pairs that speak for a place."""
_NEAR = 5
"""The distance to the fifth nearest pair tells whether a place lies among them."""
_REACH = 2.5
"""Up to so many times the distance between the pairs themselves they speak in full."""
_WINDOW = (25, 201)
"""Least and most pairs in a median over time; else a tenth of them."""
_PRIOR = 0.1
"""Standard deviation of a move before anything is known of it, as a logarithm."""
_NOISE = 0.05
"""Least noise of one pair, as a logarithm."""


class Pairs(NamedTuple):
    """Block groups of one category whose old and new price are known, each array (pairs, ...)."""

    place: Vector
    """Longitude and latitude in degrees, (pairs, 2)."""
    move: Vector
    """Logarithm of new over old price."""
    received: Vector
    """When the new one came, in seconds since 1970."""


class Trend:
    """The running median of a category's moves over time."""

    def __init__(self, pairs: Pairs) -> None:
        order = np.argsort(pairs.received, kind="stable")
        self._times = pairs.received[order]
        self._levels = _running_median(pairs.move[order])

    def until_now(self, received: Vector) -> Vector:
        """Return by how much prices of these times (n,) have moved since, as logarithms."""
        if not len(self._times):
            return np.zeros(len(received))
        then: Vector = np.interp(received, self._times, self._levels)
        return np.asarray(self._levels[-1] - then, dtype=np.float64)


class Carried(NamedTuple):
    """What a field says of places, each array (places,)."""

    move: Vector
    """Logarithm of today's over the old price."""
    weight: Vector
    """How much a price moved so counts, in (0, 1].

    One that was paid counts 1 and is known to the noise of the pairs; one that was moved is known
    to that and to the uncertainty of the move, so that it counts as the inverse of its variance.
    """


class Field:
    """The move of a category's level over the map, today."""

    def __init__(self, pairs: Pairs) -> None:
        self._tree = cKDTree(plane(pairs.place))
        self._move = pairs.move + Trend(pairs).until_now(pairs.received)
        self._count = min(NEIGHBOURS, len(pairs.move))
        self._near = min(_NEAR, len(pairs.move))
        distances, nearest = self._look(plane(pairs.place), own=True)
        self._spacing = np.maximum(distances, 1.0)
        local = np.median(self._move[nearest], axis=1)
        residual = self._move - local
        self.noise = max(_NOISE, 1.4826 * float(np.median(np.abs(residual))))
        share = _shrink(_PRIOR**2, self.noise, len(self._move))
        self.level = float(np.median(self._move)) * share
        self._level_variance = share * self.noise**2 / len(self._move)
        between = float(np.var(local)) - self.noise**2 / self._count
        self._share = _shrink(max(0.0, between), self.noise, self._count)

    def at(self, place: Vector) -> Carried:
        """Return the move at places (n, 2) in degrees, and how much prices moved so count."""
        distances, nearest = self._look(plane(place))
        local = np.median(self._move[nearest], axis=1)
        spacing = np.median(self._spacing[nearest], axis=1)
        reach = np.exp(-np.square(np.maximum(0.0, distances / spacing - _REACH)))
        estimate = self.level + self._share * (local - self.level)
        variance = (1 - self._share) ** 2 * self._level_variance
        variance += self._share * self.noise**2 / self._count
        return Carried(estimate * reach, 1 / (1 + variance * np.square(reach) / self.noise**2))

    def _look(self, place: Vector, *, own: bool = False) -> tuple[Vector, NDArray[np.intp]]:
        """Return the distance to a near pair in kilometres, and the indices of the nearest."""
        wanted = min(self._count + own, len(self._move))
        found = self._tree.query(place, k=range(1, wanted + 1))
        distances, nearest = np.asarray(found[0]), np.asarray(found[1], dtype=np.intp)
        return distances[:, min(self._near + own, wanted) - 1], nearest


def _shrink(prior: float, noise: float, count: int) -> float:
    return prior / (prior + noise**2 / count)


def _running_median(values: Vector) -> Vector:
    width = int(np.clip(len(values) // 10, *_WINDOW))
    if len(values) <= width:
        return np.full(len(values), np.median(values) if len(values) else 0.0)
    windows = np.lib.stride_tricks.sliding_window_view(values, width)
    medians = np.median(windows, axis=1)
    before = width // 2
    return np.pad(medians, (before, len(values) - len(medians) - before), mode="edge")
