"""The ratio of two sums over the same rows, such as wMAPE, and how sure it is."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Ratio(NamedTuple):
    """A ratio of two sums and its standard error."""

    value: float
    error: float


class Pair(NamedTuple):
    """Sums over rows of a numerator x and a denominator y: x, y, x * x, x * y, y * y."""

    x: float
    y: float
    xx: float
    xy: float
    yy: float

    @classmethod
    def of(cls, numerator: NDArray[np.float64], denominator: NDArray[np.float64]) -> Pair:
        """Return the sums of two columns of shape (rows,)."""
        x, y = numerator, denominator
        return cls(float(x.sum()), float(y.sum()), float(x @ x), float(x @ y), float(y @ y))


def ratio(sums: Pair, rows: int) -> Ratio:
    """Return sum x / sum y with its standard error by linearisation.

    Source: Cochran, Sampling Techniques, 1977, section 6.4. One row alone tells no error: infinite
    is no number that JSON knows, so that the error is as large as the ratio itself.
    """
    value = sums.x / sums.y
    if rows < 2:
        return Ratio(value, abs(value))
    residual = max(0.0, sums.xx - 2 * value * sums.xy + value**2 * sums.yy) / (rows - 1)
    return Ratio(value, math.sqrt(residual * rows) / abs(sums.y))
