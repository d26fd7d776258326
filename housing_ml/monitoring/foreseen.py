"""The error that a model foresees of its own prices, before any true price is known. Pure.

A bundle's spread model says of each row how far off its price will be. Their sum over the sum of
prices is an estimate of the wMAPE. It sees that the rows have become harder. It cannot see prices
that move while the inputs do not: only feedback tells.
"""

from __future__ import annotations

import math
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from housing_ml.monitoring.intervals import Estimate

Vector: TypeAlias = NDArray[np.float64]

_SCATTER = 0.9
"""Variance of an absolute error in units of its spread; 0.77 on the holdout."""

_CALIBRATION = 0.05
"""Relative standard error of the spread model itself over a segment of the rows: on the holdout it
is within 3 % overall, and 10 % too high inland."""


class Spreads(NamedTuple):
    """Sums over rows: of prices and spreads in dollars, and of the spreads' squares."""

    rows: float = 0
    price: float = 0
    spread: float = 0
    spread_squared: float = 0

    def plus(self, other: Spreads) -> Spreads:
        """Return the sums of both sets of rows."""
        return Spreads(*(left + right for left, right in zip(self, other, strict=True)))


def spreads(price: Vector, spread: Vector) -> NDArray[np.float64]:
    """Return each row's part of the `Spreads`, float64 (rows, 4), of dollars (rows,)."""
    return np.column_stack([np.ones(len(price)), price, spread, spread**2])


def foreseen(total: Spreads, labelled: float, z: float) -> Estimate | None:
    """Return the wMAPE that the model foresees; None without rows.

    The interval is for the wMAPE of as many of the rows as `labelled` says: what those will show
    depends on which they are.
    """
    if not total.price or not total.spread:
        return None
    value = total.spread / total.price
    share = total.rows / min(max(labelled, 1.0), total.rows)
    chance = _SCATTER * share * total.spread_squared / total.spread**2
    half = z * math.sqrt(chance + _CALIBRATION**2)
    return Estimate(value, value * max(0.0, 1 - half), value * (1 + half))
