"""How near a row is to what training saw: in kilometres, and in what its houses are like together.

A model answers for any row, also for one in the ocean, or with an income, an age, a size and a
crowding that never came together. The training rows themselves say what is usual: all but a few
have another one near by.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import safetensors
import safetensors.numpy

from housing_ml.data.contract import COLUMNS
from housing_ml.features.geography import plane
from housing_ml.features.kd_tree import NearestPoints

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from housing_ml.data.contract import Matrix

    Floats = NDArray[np.float64]

USUAL = 0.998
"""Share of the training rows that have another one within the limit: of rows like them, so many
are taken for familiar by each of the two."""

PLACE, HOUSES = "longitude, latitude", "median_income, housing_median_age, total_rooms, population"


class Familiarity:
    """The training rows, ready to be asked how far a row is from the nearest of them.

    Args:
        places: float64 (n, 2), kilometres.
        likeness: float64 (4, n), as `attributes` returns them.
    """

    def __init__(self, places: Floats, likeness: Floats) -> None:
        self._mean = likeness.mean(axis=1)
        self._scale = np.maximum(likeness.std(axis=1), np.finfo(float).tiny)
        standard = self._standard(likeness)
        self._places, self._houses = NearestPoints(places), NearestPoints(standard)
        self.most_kilometres = _usual(self._places, places)
        self._most_unlike = _usual(self._houses, standard)

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
        return self._places.query(plane(raw[:, :2]), 1)[0][:, 0]

    def unfamiliar(self, raw: Matrix) -> tuple[Floats, NDArray[np.bool_], NDArray[np.bool_]]:
        """Return kilometres, which rows are too far, and which are unlike all others; (rows,)."""
        kilometres = self.kilometres(raw)
        unlike = self._houses.query(self._standard(attributes(raw)), 1)[0][:, 0]
        return kilometres, kilometres > self.most_kilometres, unlike > self._most_unlike

    def warnings(self, raw: Matrix, explained: Sequence[bool] = ()) -> dict[int, list[str]]:
        """Return what is unusual about rows (rows, 9), by row; usual ones are left out.

        Args:
            raw: the rows.
            explained: of which rows a single column is known to be unusual: it is what makes them
                unlike others.
        """
        kilometres, far, unlike = self.unfamiliar(raw)
        unlike[: len(explained)] &= ~np.array(explained, dtype=bool)
        found: dict[int, list[str]] = {}
        for row in np.flatnonzero(far | unlike).tolist():
            said = []
            if far[row]:
                said.append(
                    f"{PLACE}: {kilometres[row]:,.0f} km from the nearest training row; "
                    f"{self.most_kilometres:,.0f} km are unusual"
                )
            if unlike[row]:
                said.append(f"{HOUSES}: no training row is like these together")
            found[row] = said
        return found

    def _standard(self, likeness: Floats) -> Floats:
        found = (likeness.T - self._mean) / self._scale
        return np.ascontiguousarray(np.nan_to_num(found, posinf=1e3, neginf=-1e3))


def attributes(raw: Matrix) -> Floats:
    """Return what makes houses alike, (4, rows): log income, age, log rooms and log persons.

    The last two are per household.
    """
    column = dict(zip(COLUMNS, raw.T, strict=True))
    households = column["households"]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.stack(
            [
                np.log(column["median_income"]),
                column["housing_median_age"],
                np.log(column["total_rooms"] / households),
                np.log(column["population"] / households),
            ]
        )


def _usual(tree: NearestPoints, points: Floats) -> float:
    """Return the distance within which most points have another one."""
    distance, number = tree.query(points, 2)
    itself = number[:, 0] == np.arange(len(points))
    return float(np.quantile(np.where(itself, distance[:, 1], distance[:, 0]), USUAL))
