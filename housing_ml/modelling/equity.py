"""How fair the prices are to assess by, with bootstrap intervals: COD, PRD and PRB.

A few odd ratios make the figures of a small part, so that each part has them without the odd ones
too.

>>> actual = np.array([100_000.0, 200_000.0, 400_000.0])
>>> equity("all rows", actual, actual, Bootstrap(100)).prd
1.0
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from housing_ml.modelling.metrics import Bootstrap, checked, interval, resamples
from housing_ml.records.equity import Equity, Ratios

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

Vector: TypeAlias = NDArray[np.float64]

_FENCE = 3.0
"""Interquartile ranges beyond the quartiles where a ratio is odd: extreme outliers, as the standard
calls them (appendix B)."""

_MOST_ODD = 0.1
"""Share of the ratios that may be odd: what more of them do is what the model does."""


def equity(part: str, actual: ArrayLike, predicted: ArrayLike, bootstrap: Bootstrap) -> Equity:
    """Return the figures of `predicted` against `actual`, both (rows,) in dollars.

    Args:
        part: which rows these are, for people.
        actual: prices that were paid.
        predicted: prices that were predicted for the same rows.
        bootstrap: how to resample rows for the intervals.

    Raises:
        ValueError: as `metrics` does, and when a predicted price is not above 0.
    """
    known, guessed = checked(actual, predicted)
    if guessed.min() <= 0:
        raise ValueError(f"predicted prices must be above 0, but the least is {guessed.min()}")
    odd = is_odd(guessed / known)
    trimmed = (
        Ratios(**_with_intervals(known[~odd], guessed[~odd], bootstrap))
        if 0 < odd.mean() <= _MOST_ODD
        else None
    )
    return Equity(part=part, trimmed=trimmed, **_with_intervals(known, guessed, bootstrap))


def is_odd(ratio: Vector) -> NDArray[np.bool_]:
    """Return which ratios (rows,) lie far beyond the quartiles of all."""
    low, high = np.quantile(ratio, [0.25, 0.75])
    reach = _FENCE * (high - low)
    odd: NDArray[np.bool_] = (ratio < low - reach) | (ratio > high + reach)
    return odd


def _with_intervals(actual: Vector, predicted: Vector, bootstrap: Bootstrap) -> dict[str, Any]:
    found = _figures(actual, predicted)
    chunks = [_figures(actual[rows], predicted[rows]) for rows in resamples(len(actual), bootstrap)]
    return {
        "rows": len(actual),
        **{name: float(value) for name, value in found.items()},
        "intervals": {
            name: interval([chunk[name] for chunk in chunks], bootstrap.confidence)
            for name in found
        },
    }


def _figures(actual: Vector, predicted: Vector) -> dict[str, Vector]:
    """Return each figure over the last axis, for one sample (rows,) or many (samples, rows).

    PRB is the slope of the ratio's relative distance from its median over the logarithm to base 2
    of the value, for which half of each price stands (IAAO, Standard on Ratio Studies, 2013,
    appendix D); where all values are one there is no slope.
    """
    ratio = predicted / actual
    median = np.median(ratio, axis=-1, keepdims=True)
    distance = ratio / median - 1
    value = np.log2((predicted / median + actual) / 2)
    spread = value - value.mean(axis=-1, keepdims=True)
    variation = np.square(spread).sum(axis=-1)
    slope = (spread * distance).sum(axis=-1) / np.where(variation > 0, variation, 1)
    return {
        "cod": np.abs(distance).mean(axis=-1),
        "prd": ratio.mean(axis=-1) / (predicted.sum(axis=-1) / actual.sum(axis=-1)),
        "prb": slope,
    }
