"""Confidence intervals from sums, so that rows need not be kept."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from scipy.special import ndtri

if TYPE_CHECKING:
    from housing_ml.modelling.ratio import Ratio


class Estimate(NamedTuple):
    """A value with its confidence interval, in the value's unit."""

    value: float
    low: float
    high: float


def normal_quantile(confidence: float) -> float:
    """Return z of a two-sided interval: 1.96 for 0.95."""
    return float(ndtri((1 + confidence) / 2))


def share(count: float, rows: int, z: float) -> Estimate:
    """Return the share count / rows with Wilson's interval, which holds for few rows too.

    Source: Wilson, Probable inference, the law of succession, and statistical inference, 1927.
    """
    value = count / rows
    scale = 1 + z**2 / rows
    centre = (value + z**2 / (2 * rows)) / scale
    half = z / scale * math.sqrt(value * (1 - value) / rows + z**2 / (4 * rows**2))
    return Estimate(value, max(0.0, centre - half), min(1.0, centre + half))


def mean(total: float, squares: float, rows: int, z: float) -> Estimate:
    """Return the mean of values with this sum and sum of squares; needs two rows or more."""
    value = total / rows
    variance = max(0.0, squares - rows * value**2) / (rows - 1)
    half = z * math.sqrt(variance / rows)
    return Estimate(value, value - half, value + half)


def around(found: Ratio, z: float) -> Estimate:
    """Return a ratio with its interval; needs two rows or more behind it."""
    return Estimate(found.value, found.value - z * found.error, found.value + z * found.error)
