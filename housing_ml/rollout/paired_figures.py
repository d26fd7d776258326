"""Figures of a canary from rows that the champion priced too. Pure.

Both models see the same requests, so that what kind of customer came to which does not matter. No
customer counts for more than `_MOST` requests, and no caller decides alone where there are others:
a figure is bad or good only if it is so without any one of them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from housing_ml.rollout.confidence import Range, mean_difference_range, rate_range
from housing_ml.rollout.counts import Moments

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from housing_ml.rollout.pairs import Cluster, Pairs

_MOST = 50
_LEAST_CLUSTERS = 4
_OPEN = Range(-math.inf, math.inf)


def failures(clusters: Sequence[Cluster], level: float) -> Range:
    """Return the range of the rise of failed requests."""
    return _excess(((item.failed, item.spared, item.requests) for item in clusters), level)


def slowness(clusters: Sequence[Cluster], level: float) -> Range:
    """Return the range of the rise of slow requests."""
    return _excess(((item.slow, item.quick, item.requests) for item in clusters), level)


def prices(clusters: Sequence[Cluster], scale: float, level: float) -> Range:
    """Return the range of the mean shift of the logarithm of the price."""
    means = [item.log_ratio / item.priced for item in clusters if item.priced]
    return _mean(means, scale, level)


def apart(clusters: Sequence[Cluster], scale: float, level: float) -> Range:
    """Return the range of the mean distance of the two prices, as a logarithm."""
    return _mean([item.apart / item.priced for item in clusters if item.priced], scale, level)


def foreseen(clusters: Sequence[Cluster], scale: float, level: float) -> Range:
    """Return the range of the mean rise of the error that each model foresees of itself."""
    return _mean([item.foreseen / item.priced for item in clusters if item.priced], scale, level)


def errors(clusters: Sequence[Cluster], scale: float, level: float) -> Range:
    """Return the range of the mean rise of the relative error."""
    return _mean([item.error / item.known for item in clusters if item.known], scale, level)


def by_all(
    pairs: Pairs, judge: Callable[[Sequence[Cluster]], Range], *, largest: bool = False
) -> Range:
    """Return the widest range, with all callers and without any one of them.

    Who sends more than half of the requests is the deployment's traffic, and stays unless `largest`
    is to be left out too.
    """
    parts = [list(clusters.values()) for clusters in pairs.values()]
    everyone = judge([item for part in parts for item in part])
    sizes = [sum(item.requests for item in part) for part in parts]
    without = [
        judge([item for other in parts if other is not part for item in other])
        for part, size in zip(parts, sizes, strict=True)
        if len(parts) > 1 and (largest or 2 * size <= sum(sizes))
    ]
    return Range(
        min(found.low for found in (everyone, *without)),
        max(found.high for found in (everyone, *without)),
    )


def _excess(counts: Iterable[tuple[int, int, int]], level: float) -> Range:
    """Return the range of the first rate less the second, of clusters' counts out of the third.

    It is how often the two differ, times how one-sided they are. Of equal models either side is as
    likely, whichever customers they differ on, so that what is much alike does no harm. The
    likelihood of a mean of numbers from 0 to 1 is at most that of the nearest events, so that a
    cluster may count as fewer attempts than it had.
    """
    attempts = first = second = 0.0
    for ours, theirs, size in counts:
        weight = min(1.0, _MOST / size) if size else 0.0
        attempts += size * weight
        first += ours * weight
        second += theirs * weight
    differing = rate_range(first + second, attempts, level / 2)
    side = rate_range(first, first + second, level / 2)
    sides = (2 * side.low - 1, 2 * side.high - 1)
    return Range(
        min(rate * sides[0] for rate in differing), max(rate * sides[1] for rate in differing)
    )


def _mean(means: Sequence[float], scale: float, level: float) -> Range:
    """Return the range of the mean over customers, of whom few are known.

    Few that agree may do so by chance: their variance is drawn towards that of customers who differ
    by a third of `scale`, as if three more had been seen.
    """
    size = len(means)
    if size < _LEAST_CLUSTERS:
        return _OPEN
    centre = math.fsum(means) / size
    squares = math.fsum((value - centre) ** 2 for value in means) + 3 * (scale / 3) ** 2
    found = Moments(size, centre, squares * (size - 1) / size)
    return mean_difference_range(found, Moments(size, 0.0, 0.0), scale, level)
