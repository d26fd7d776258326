"""How columns go together: what no column shows alone.

Standardised logs of a row's sizes and income, its age and its place are turned to the principal
axes of the training rows. Along the narrowest axes rows hardly vary: there lie the relations that
hold for nearly all, such as bedrooms to households. A swapped pair of columns breaks them, and a
column whose values were mixed up among the rows is further from the centre than it should be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from housing_ml.data.contract import COLUMNS, NUMERIC

if TYPE_CHECKING:
    from housing_ml.data.contract import Matrix

Vector: TypeAlias = NDArray[np.float64]

RELATIONS = 3
"""Narrowest axes that are watched."""

TOGETHER = "all columns together"
"""Name of the distance from the centre over all axes."""

_WITH = " with "
_COUNT = len(NUMERIC)
_LOGS = [
    COLUMNS.index(name)
    for name in ("total_rooms", "total_bedrooms", "population", "households", "median_income")
]
_BEDROOMS, _HOUSEHOLDS = COLUMNS.index("total_bedrooms"), COLUMNS.index("households")


class Joint(msgspec.Struct, frozen=True):
    """The training rows' centre, scale and principal axes, the narrowest axis first."""

    mean: tuple[float, ...]
    scale: tuple[float, ...]
    axes: tuple[tuple[float, ...], ...]
    """Each divided by the standard deviation along it."""
    bedrooms: float
    """Log of the bedrooms of a household, for rows without them."""

    def relations(self, raw: Matrix) -> dict[str, Vector]:
        """Return where rows (rows, 9) lie along the narrowest axes, and how far from the centre.

        In standard deviations, (rows,) each, by name.
        """
        found = self._along(raw)
        named = {self._name(axis): found[:, axis] for axis in range(RELATIONS)}
        return named | {TOGETHER: np.sqrt(np.square(found).sum(axis=1))}

    def _along(self, raw: Matrix) -> Vector:
        places = (_logs(raw, self.bedrooms) - self.mean) / self.scale
        along: Vector = places @ np.array(self.axes).T
        return along

    def _name(self, axis: int) -> str:
        first, second = np.argsort(-np.abs(self.axes[axis]), kind="stable")[:2].tolist()
        return f"{NUMERIC[first]}{_WITH}{NUMERIC[second]}"


def is_relation(name: str) -> bool:
    """Whether a watched name is that of an axis, and not of a column."""
    return _WITH in name or name == TOGETHER


def describe_jointly(raw: Matrix) -> Joint | None:
    """Describe training rows (rows, 9); None where a column does not vary or has no logs."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.log(raw[:, _BEDROOMS] / raw[:, _HOUSEHOLDS])
    known = ratio[np.isfinite(ratio)]
    bedrooms = float(np.median(known)) if len(known) else 0.0
    values = _logs(raw, bedrooms)
    if not np.isfinite(values).all() or not np.ptp(values, axis=0).all():
        return None
    mean, scale = values.mean(axis=0), values.std(axis=0)
    widths, axes = np.linalg.eigh(np.cov(((values - mean) / scale).T))
    axes *= np.where(axes[np.abs(axes).argmax(axis=0), range(_COUNT)] < 0, -1, 1)
    axes = axes.T / np.sqrt(np.maximum(widths, 1e-9))[:, np.newaxis]
    return Joint(
        mean=_rounded(mean),
        scale=_rounded(scale),
        axes=tuple(map(_rounded, axes)),
        bedrooms=round(bedrooms, 6),
    )


def _rounded(values: Vector) -> tuple[float, ...]:
    """Return what machines that add up in another order agree on."""
    return tuple(values.round(6).tolist())


def _logs(raw: Matrix, bedrooms: float) -> Vector:
    values = raw[:, :_COUNT].copy()
    with np.errstate(divide="ignore", invalid="ignore"):
        values[:, _LOGS] = np.log(values[:, _LOGS])
    missing = ~np.isfinite(values[:, _BEDROOMS])
    values[missing, _BEDROOMS] = values[missing, _HOUSEHOLDS] + bedrooms
    return values
