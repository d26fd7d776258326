"""How near a row is to what training saw: in kilometres, and in what its houses are like together.

A model answers for any row, also for one in the ocean, or with an income, an age, a size and a
crowding that never came together. The training rows themselves say what is usual: all but a few
have another one near by.
"""

from __future__ import annotations

from math import floor, log
from typing import TYPE_CHECKING

import numpy as np
import safetensors
import safetensors.numpy

from housing_ml.data.contract import COLUMNS
from housing_ml.features.geography import KILOMETRES_PER_DEGREE, plane
from housing_ml.features.kd_tree import NearestPoints

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from housing_ml.data.contract import Matrix

    Floats = NDArray[np.float64]

USUAL = 0.998
"""Share of the training rows that have another one within the limit: of rows like them, so many
are taken for familiar by each of the two."""

_HOUSEHOLDS = COLUMNS.index("households")
_LIKENESS = [
    COLUMNS.index(name)
    for name in ("median_income", "housing_median_age", "total_rooms", "population")
]

PLACE, HOUSES = "longitude, latitude", "median_income, housing_median_age, total_rooms, population"


FEW = 24
"""So few rows are looked at one by one."""

_CELLS = 2**14
"""Cells on either side of 0 in each direction, that are told apart; four directions fit 64 bits."""

_RADIX = (2 * _CELLS) ** np.arange(4, dtype=np.int64)
_NOWHERE = -1
"""Number of no cell."""


class Familiarity:
    """The training rows, ready to be asked how far a row is from the nearest of them.

    Args:
        places: float64 (n, 2), kilometres.
        likeness: float64 (4, n), as `attributes` returns them.
    """

    def __init__(self, places: Floats, likeness: Floats) -> None:
        self._mean = likeness.mean(axis=1)
        self._scale = np.maximum(likeness.std(axis=1), np.finfo(float).tiny)
        self._places, self._houses = _Near(places), _Near(self._standard(likeness))
        self._place_is_usual = self._places.cells(np.zeros(2), 1 / KILOMETRES_PER_DEGREE)
        self._houses_are_usual = self._houses.cells(self._mean, self._scale)

    @classmethod
    def of_features(cls, content: bytes) -> Familiarity:
        """Take the content of a bundle's `features.safetensors`.

        Raises:
            ValueError: when it is something else.
        """
        try:
            arrays = safetensors.numpy.load(content)
            return cls(arrays["neighbours.places"], arrays["neighbours.values"][-4:])
        except (KeyError, safetensors.SafetensorError) as error:
            raise ValueError(f"these are no features of a bundle: {error}") from error

    def kilometres(self, raw: Matrix) -> Floats:
        """Return the distance of rows (rows, 9) to the nearest training row, (rows,)."""
        return self._places.distance(plane(raw[:, :2]))

    def unfamiliar(self, raw: Matrix) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return which rows are far from all training rows, and which are unlike them, (rows,)."""
        far = self._places.beyond(plane(raw[:, :2]))
        return far, self._houses.beyond(self._standard(attributes(raw)))

    def warnings(self, raw: Matrix, explained: Sequence[object] = ()) -> dict[int, list[str]]:
        """Return what is unusual about rows (rows, 9), by row; usual ones are left out.

        Args:
            raw: the rows.
            explained: of each row, whether a single column is known to be unusual, or what is said
                of it: it is what makes the row unlike others.
        """
        asked = self._doubtful(raw)
        if not asked:
            return {}
        far, unlike = self.unfamiliar(raw if len(asked) == len(raw) else raw[asked])
        found: dict[int, list[str]] = {}
        for index in np.flatnonzero(far | unlike).tolist():
            row, said = asked[index], []
            if far[index]:
                kilometres = self.kilometres(raw[row : row + 1]).item()
                said.append(
                    f"{PLACE}: {kilometres:,.0f} km from the nearest training row; "
                    f"{self._places.most:,.0f} km are unusual"
                )
            if unlike[index] and not (explained and explained[row]):
                said.append(f"{HOUSES}: no training row is like these together")
            if said:
                found[row] = said
        return found

    def _doubtful(self, raw: Matrix) -> Sequence[int]:
        """Return which rows need a closer look: all where they are many."""
        if len(raw) > FEW:
            return range(len(raw))
        return [row for row, values in enumerate(raw.tolist()) if not self._is_familiar(values)]

    def _is_familiar(self, row: list[float]) -> bool:
        """Whether both cells of a row are occupied: for one row numpy takes 20 times as long."""
        longitude, latitude, age, rooms, _, people, households, income, _ = row
        try:
            likeness = (log(income), age, log(rooms / households), log(people / households))
            return self._place_is_usual((longitude, latitude)) and self._houses_are_usual(likeness)
        except (ArithmeticError, ValueError):
            return False

    def _standard(self, likeness: Floats) -> Floats:
        found: Floats = np.subtract(likeness.T, self._mean, order="C")
        found /= self._scale
        if not np.isfinite(found).all():  # of thousands, to look costs a tenth of to replace
            np.nan_to_num(found, copy=False, posinf=1e3, neginf=-1e3)
        return found


def attributes(raw: Matrix) -> Floats:
    """Return what makes houses alike, (4, rows): log income, age, log rooms and log persons.

    The last two are per household.
    """
    found = raw.T.take(_LIKENESS, axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        found[2:] /= raw[:, _HOUSEHOLDS]
        np.log(found[:1], out=found[:1])
        np.log(found[2:], out=found[2:])
    return found


class _Near:
    """Points (n, d), and the distance within which most of them have another one.

    The space is cut into cells so small that two points of one cell are within that distance: for
    nearly every point one look at which cells are occupied will do.
    """

    def __init__(self, points: Floats) -> None:
        self._tree = NearestPoints(points)
        distance, number = self._tree.query(points, 2)
        itself = number[:, 0] == np.arange(len(points))
        others = np.where(itself, distance[:, 1], distance[:, 0])
        self.most = float(np.quantile(others, USUAL))
        self._side = max(self.most, np.finfo(float).tiny) / np.sqrt(points.shape[1])
        cells = points / self._side
        countable = (np.abs(cells) < _CELLS - 1).all(axis=1)
        self._occupied = np.unique([_NOWHERE, *_numbers(cells[countable]).tolist()])

    def cells(self, origin: Floats, unit: Floats) -> Callable[[Sequence[float]], bool]:
        """Return what tells whether the cell of one point is occupied.

        Args:
            origin: float64 (d,), where a point is in its own units that is all zeros here.
            unit: float64 (d,), how much of them is 1 here.
        """
        factors = (1 / (unit * self._side)).tolist()
        origins = (origin / (unit * self._side)).tolist()
        directions = list(zip(factors, origins, _RADIX.tolist(), strict=False))
        numbers = frozenset(self._occupied.tolist())

        def is_occupied(point: Sequence[float]) -> bool:
            number = 0
            for value, (factor, zero, radix) in zip(point, directions, strict=True):
                cell = floor(value * factor - zero)
                if not -_CELLS <= cell < _CELLS:
                    return False
                number += (cell + _CELLS) * radix
            return number in numbers

        return is_occupied

    def distance(self, points: Floats) -> Floats:
        """Return the distance of each of the points (rows, d) to the nearest, (rows,)."""
        return self._tree.query(points, 1)[0][:, 0]

    def beyond(self, points: Floats) -> NDArray[np.bool_]:
        """Return which of the points (rows, d) have none within the usual distance, (rows,)."""
        cells = _numbers(points / self._side)
        last = np.searchsorted(self._occupied[1:], cells, side="right")
        found: NDArray[np.bool_] = self._occupied[last] != cells
        rows = np.flatnonzero(found)
        if len(rows):
            found[rows] = self.distance(points[rows]) > self.most
        return found


def _numbers(cells: Floats) -> NDArray[np.int64]:
    """Return a number for the cell of each point (rows, d), (rows,); far off all have one."""
    whole = np.floor(cells)
    np.clip(whole, -_CELLS, _CELLS - 1, out=whole)
    whole += _CELLS
    numbers: NDArray[np.int64] = whole.astype(np.int64) @ _RADIX[: cells.shape[1]]
    return numbers
