"""Which rows was a model trained on? On those it is better than it is on any other row.

A training row's own price is among its neighbours' when it is served, and its trees have seen it.
A bundle's neighbour statistics hold the place and four attributes of every training row. A row
counts as known where a training row at the same place shares two of the four: so it is found too
when one column arrives damaged, which does not take its own price out of its neighbours.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import safetensors
import safetensors.numpy

from housing_ml.bundle.familiarity import attributes
from housing_ml.features.geography import plane

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from housing_ml.data.contract import Matrix

    Floats = NDArray[np.float64]
    Keys = NDArray[np.uint64]

_PLACES, _VALUES = "neighbours.places", "neighbours.values"
_ATTRIBUTES = 4
_STEPS = np.array([200.0, 200.0, 1e3, 1.0, 1e3, 1e3])
"""Steps in a kilometre, of both axes; in log income; in a year; in log rooms and persons per
household: coarse beside a rounding error, fine beside the difference of two block groups."""

_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(29)


class KnownRows:
    """The rows that a bundle was trained on, as hashes."""

    def __init__(self, features: bytes) -> None:
        """Take the content of a bundle's `features.safetensors`.

        Raises:
            ValueError: when it is something else.
        """
        try:
            arrays = safetensors.numpy.load(features)
            places, values = arrays[_PLACES], arrays[_VALUES]
        except (KeyError, safetensors.SafetensorError) as error:
            raise ValueError(f"these are no features of a bundle: {error}") from error
        self._keys = np.sort(_keys(places, values[-_ATTRIBUTES:]), axis=None)

    def of(self, raw: Matrix) -> NDArray[np.bool_]:
        """Return which of the rows (rows, 9) are known, (rows,)."""
        keys = _keys(plane(raw[:, :2]), attributes(raw))
        found = np.searchsorted(self._keys, keys)
        found[found == len(self._keys)] = 0
        known: NDArray[np.bool_] = (self._keys[found] == keys).any(axis=0)
        return known


def _keys(places: Floats, attributes: Floats) -> Keys:
    """Return a hash of the place with each two of the attributes, (6, rows)."""
    exact = np.vstack([places.T, attributes]) * _STEPS[:, np.newaxis]
    steps = np.round(np.nan_to_num(exact, posinf=0, neginf=0)).astype(np.int64).view(np.uint64)
    pairs = combinations(range(2, 2 + _ATTRIBUTES), 2)
    return np.stack([_hash(steps[[0, 1, *pair]], number) for number, pair in enumerate(pairs)])


def _hash(values: Keys, seed: int) -> Keys:
    found = np.full(values.shape[1], seed + 1, np.uint64)
    for row in values:
        found = (found ^ row) * _FACTOR
        found ^= found >> _SHIFT
    return found
