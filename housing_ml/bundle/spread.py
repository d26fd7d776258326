"""How far off a model takes a price to be, worked out again from a logged price and its bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from housing_ml.bundle.manifest import Manifest

Vector: TypeAlias = NDArray[np.float64]


def spread_of(price: Vector, lower: Vector, upper: Vector, manifest: Manifest) -> Vector:
    """Return the expected absolute error in dollars (rows,) that gave these bounds.

    The lower bound tells it; the upper one where the lower one was clipped at the least price of
    training. Where the price itself was clipped, the spread comes out too small.
    """
    below, above = -manifest.interval.lower, manifest.interval.upper
    clipped = lower <= manifest.price_range.minimum
    by_lower = (price - lower) / below if below else np.zeros_like(price)
    by_upper = (upper - price) / above if above else by_lower
    return np.where(clipped, np.maximum(by_lower, by_upper), by_lower)
