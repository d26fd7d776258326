"""How far two sets of counts are apart: an index, two tests, a distance, and a correction."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import chdtrc, kolmogorov

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from housing_ml.bundle.reference import Counts, Grid

_RARE = 5
"""Expected counts below which the chi-square approximation is poor (Cochran, 1954)."""


class Difference(NamedTuple):
    """A test's statistic, and how often chance alone gives one as large."""

    statistic: float
    p_value: float


def psi(expected: Counts, actual: Counts) -> float:
    """Return the population stability index: 0 for the same shares, symmetric in its arguments.

    It is Jeffreys' divergence of the shares, each count raised by one half so that an empty bin
    stays finite (Jeffreys, Theory of Probability, 1948). Bins empty on both sides are left out.
    """
    used = (expected + actual) > 0
    before, now = expected[used] + 0.5, actual[used] + 0.5
    before, now = before / before.sum(), now / now.sum()
    return float(np.sum((now - before) * np.log(now / before)))


def kolmogorov_smirnov(expected: Counts, actual: Counts) -> Difference:
    """Compare the distribution functions at the edges of the bins; p is conservative therefore.

    Source: Smirnov, Table for estimating the goodness of fit of empirical distributions, 1948.
    """
    before, now = int(expected.sum()), int(actual.sum())
    if not before or not now:
        return Difference(0.0, 1.0)
    statistic = float(np.abs(_cumulative(expected) - _cumulative(actual)).max())
    scale = math.sqrt(before * now / (before + now))
    return Difference(statistic, float(kolmogorov(scale * statistic)))


def chi_square(expected: Counts, actual: Counts) -> Difference:
    """Compare two sets of counts by Pearson's test of homogeneity; rare categories are pooled."""
    before, now = int(expected.sum()), int(actual.sum())
    if not before or not now:
        return Difference(0.0, 1.0)
    table = np.array([expected, actual], dtype=np.float64)
    rare = table.sum(axis=0) * min(before, now) / (before + now) < _RARE
    table = np.column_stack([table[:, ~rare], table[:, rare].sum(axis=1)])
    table = table[:, table.sum(axis=0) > 0]
    model = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    statistic = float((np.square(table - model) / model).sum())
    freedom = table.shape[1] - 1
    return Difference(statistic, float(chdtrc(freedom, statistic)) if freedom else 1.0)


def wasserstein(grid: Grid, expected: Counts, actual: Counts) -> float:
    """Return the first Wasserstein distance in standard deviations of training.

    It is the area between the distribution functions, which are known at the edges and taken as
    straight between them (Vallender, 1974). Values beyond the outermost edges, the first and last
    percentile of training, count as at them, so that a few outliers do not decide.
    """
    if not grid.spread or not expected.sum() or not actual.sum():
        return 0.0
    gap = np.abs(_cumulative(expected) - _cumulative(actual))[:-1]
    return float(np.trapezoid(gap, np.array(grid.edges)) / grid.spread)


def deciles(expected: Counts) -> Callable[[Counts], Counts]:
    """Return how to join bins to about ten of equal count in `expected`."""
    middle = np.cumsum(expected) - expected / 2
    places = np.minimum(9, np.floor(10 * middle / max(1, expected.sum()))).astype(np.intp)
    starts = np.flatnonzero(np.diff(places, prepend=-1))
    return lambda counts: np.add.reduceat(counts, starts)


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p-values for their number.

    Source: Holm, A simple sequentially rejective multiple test procedure, 1979.
    """
    order = np.argsort(p_values, kind="stable")
    factors = np.arange(len(p_values), 0, -1)
    raised = np.minimum(1.0, np.maximum.accumulate(np.asarray(p_values)[order] * factors))
    corrected = np.empty(len(p_values))
    corrected[order] = raised
    return [float(value) for value in corrected]


def _cumulative(counts: Counts) -> NDArray[np.float64]:
    return np.cumsum(counts, dtype=np.float64) / float(counts.sum())
