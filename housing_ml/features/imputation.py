"""Fitted imputers and how they fill: only `total_bedrooms` is ever missing.

A fitter is a pure function of training rows; what it returns is plain arrays, so that the service
fills exactly as training did, without scikit-learn and without pickle.

    >>> state = fit_median(np.array([[-122.0, 37, 41, 880, 129, 322, 126, 8.3, 3]]))
    >>> state.fill(np.array([[-122.0, 37, 41, 880, np.nan, 322, 126, 8.3, 3]]))[0, 4]
    np.float64(129.0)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from housing_ml.data.contract import COLUMNS, NUMERIC, Matrix
from housing_ml.features.kd_tree import NearestPoints

BEDROOMS = COLUMNS.index("total_bedrooms")
OTHERS = tuple(COLUMNS.index(name) for name in NUMERIC if name != "total_bedrooms")
"""The numeric columns from which the missing one is estimated."""

NEIGHBOURS = 10


class ImputerState(Protocol):
    """A fitted imputer."""

    def fill(self, raw: Matrix) -> Matrix:
        """Return `raw` with every missing bedroom count estimated; `raw` itself where none is."""
        ...

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the whole state as arrays for `state_from_arrays`."""
        ...


Imputer: TypeAlias = Callable[[Matrix], ImputerState]
"""A fitter: a pure function of training rows."""


class ConstantState(msgspec.Struct, frozen=True):
    """Fills with one number of bedrooms."""

    value: float

    def fill(self, raw: Matrix) -> Matrix:
        """Return `raw` with missing bedrooms replaced by the constant."""
        return _fill(raw, lambda rows: np.full(len(rows), self.value))

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the constant as an array of shape ()."""
        return {"value": np.array(self.value)}


class NeighboursState:
    """Fills with the mean bedrooms of the most similar training rows, in standardised columns."""

    def __init__(
        self,
        location: NDArray[np.float64],
        scale: NDArray[np.float64],
        points: NDArray[np.float64],
        bedrooms: NDArray[np.float64],
    ) -> None:
        self.location = location
        self.scale = scale
        self.points = points
        self.bedrooms = bedrooms
        self._tree = NearestPoints(points)

    def fill(self, raw: Matrix) -> Matrix:
        """Return `raw` with missing bedrooms replaced by the mean of the nearest rows."""
        return _fill(raw, self._estimate)

    def _estimate(self, rows: Matrix) -> NDArray[np.float64]:
        points = (rows[:, OTHERS] - self.location) / self.scale
        _, nearest = self._tree.query(points, min(NEIGHBOURS, len(self.bedrooms)))
        estimate: NDArray[np.float64] = self.bedrooms[nearest].mean(axis=1)
        return estimate

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return centre and scale (7,), standardised rows (n, 7) and their bedrooms (n,)."""
        return {
            "location": self.location,
            "scale": self.scale,
            "points": self.points,
            "bedrooms": self.bedrooms,
        }


class ForestState(msgspec.Struct, frozen=True):
    """Fills with the mean of regression trees; nodes of all trees lie one after the other.

    `roots` int32 (trees,). Per node: `column` int8, an index into `OTHERS`; `number` float64, the
    threshold of a split or the value of a leaf; `left` and `right` int32, where a leaf points at
    itself; so `depth` steps reach a leaf from any root.
    """

    roots: NDArray[np.int32]
    column: NDArray[np.int8]
    number: NDArray[np.float64]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    depth: int

    def fill(self, raw: Matrix) -> Matrix:
        """Return `raw` with missing bedrooms replaced by the trees' mean."""
        return _fill(raw, self._estimate)

    def _estimate(self, rows: Matrix) -> NDArray[np.float64]:
        # scikit-learn's trees compare float32 values with float64 thresholds
        values = rows[:, OTHERS].astype(np.float32)
        row = np.arange(len(rows))[:, np.newaxis]
        node = np.broadcast_to(self.roots, (len(rows), len(self.roots)))
        for _ in range(self.depth):
            goes_left = values[row, self.column[node]] <= self.number[node]
            node = np.where(goes_left, self.left[node], self.right[node])
        estimate: NDArray[np.float64] = self.number[node].mean(axis=1)
        return estimate

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the node arrays."""
        return {
            "roots": self.roots,
            "column": self.column,
            "number": self.number,
            "left": self.left,
            "right": self.right,
            "depth": np.array(self.depth),
        }


def fit_median(raw: Matrix) -> ImputerState:
    """Fill with the training rows' median bedrooms; 0 where none is known."""
    known = _known(raw)
    return ConstantState(float(np.median(known)) if len(known) else 0.0)


def fit_mean(raw: Matrix) -> ImputerState:
    """Fill with the training rows' mean bedrooms; 0 where none is known."""
    known = _known(raw)
    return ConstantState(float(np.sort(known).mean()) if len(known) else 0.0)


def fit_neighbours(raw: Matrix) -> ImputerState:
    """Fill with the mean bedrooms of the 10 nearest training rows in standardised columns."""
    known = raw[~np.isnan(raw[:, BEDROOMS])]
    if not len(known):
        return fit_median(raw)
    known = known[np.lexsort(known.T)]
    values = known[:, OTHERS]
    location = values.mean(axis=0)
    deviation = values.std(axis=0)
    scale = np.where(deviation > 0, deviation, 1.0)
    return NeighboursState(location, scale, (values - location) / scale, known[:, BEDROOMS])


def state_from_arrays(arrays: Mapping[str, NDArray[Any]]) -> ImputerState:
    """Return the fitted imputer whose `to_arrays` gave `arrays`.

    Raises:
        ValueError: when the names of the arrays are those of no imputer.
    """
    names = set(arrays)
    if names == {"value"}:
        return ConstantState(float(arrays["value"]))
    if names == {"location", "scale", "points", "bedrooms"}:
        return NeighboursState(**arrays)
    if names == set(ForestState.__struct_fields__):
        nodes: dict[str, Any] = {**arrays, "depth": int(arrays["depth"])}
        return ForestState(**nodes)
    raise ValueError(f"no imputer has the arrays {', '.join(sorted(names))}")


def _known(raw: Matrix) -> NDArray[np.float64]:
    bedrooms = raw[:, BEDROOMS]
    return bedrooms[~np.isnan(bedrooms)]


def _fill(raw: Matrix, estimate: Callable[[Matrix], NDArray[np.float64]]) -> Matrix:
    missing = np.isnan(raw[:, BEDROOMS])
    if not missing.any():
        return raw
    filled = raw.copy()
    filled[missing, BEDROOMS] = estimate(raw[missing])
    return filled
