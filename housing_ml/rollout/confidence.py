"""Intervals that hold at every look at once, however often and for whatever reason one looks.

An ordinary 95 % interval that is looked at every minute will miss the truth some time almost
surely. A confidence sequence misses it at any time in at most 5 % of all cases.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from housing_ml.rollout.counts import Moments


class Range(NamedTuple):
    """Lower and upper end."""

    low: float
    high: float

    def minus(self, other: Range) -> Range:
        """Return the range of the difference of two figures."""
        return Range(self.low - other.high, self.high - other.low)


_PRIOR = 0.5
"""Of the mixture, Jeffreys': narrow for the rare events that are watched."""


def rate_range(events: float, attempts: float, level: float) -> Range:
    """Return a confidence sequence of a probability, of error level `level`.

    The set of probabilities against which the likelihood ratio of a beta mixture stays below
    1 / level (Robbins, Statistical methods related to the law of the iterated logarithm, 1970;
    Ville's inequality). Exact for independent attempts.
    """
    if not attempts:
        return Range(0.0, 1.0)
    misses, found = attempts - events, events / attempts
    mixture = _log_beta(_PRIOR + events, _PRIOR + misses) - _log_beta(_PRIOR, _PRIOR)

    def excess(rate: float) -> float:
        likelihood = (events * math.log(rate) if events else 0.0) + (
            misses * math.log1p(-rate) if misses else 0.0
        )
        return float(mixture - likelihood + math.log(level))

    tiny = 1e-12
    low = _root(excess, tiny, found) if events else 0.0
    high = _root(excess, found, 1 - tiny) if misses else 1.0
    return Range(low, high)


def mean_difference_range(first: Moments, second: Moments, scale: float, level: float) -> Range:
    """Return a confidence sequence of the first mean less the second, of error level `level`.

    Robbins' normal mixture with estimated variances (Waudby-Smith et al., Time-uniform central
    limit theory and asymptotic confidence sequences, 2024): asymptotic, so look at it from some
    dozens of numbers on. It is narrowest, for its level, when it is about as wide as `scale`.
    """
    if min(first.count, second.count) < 2:
        return Range(-math.inf, math.inf)
    variance = sum(item.squares / (item.count - 1) / item.count for item in (first, second))
    difference = first.mean - second.mean
    if variance == 0:
        return Range(difference, difference)
    information = 1 / variance
    tuned = 16 / scale**2 / (1 + 2 * math.log(1 / level))
    total = information + tuned
    width = variance * math.sqrt(total * (math.log(total / tuned) + 2 * math.log(1 / level)))
    return Range(difference - width, difference + width)


def _log_beta(first: float, second: float) -> float:
    return math.lgamma(first) + math.lgamma(second) - math.lgamma(first + second)


def _root(excess: Callable[[float], float], low: float, high: float) -> float:
    """Return where `excess` changes its sign; the nearer end where it does not."""
    low, high = max(low, 1e-12), min(high, 1 - 1e-12)
    at_low, at_high = excess(low), excess(high)
    if at_low * at_high >= 0:
        return low if abs(at_low) < abs(at_high) else high
    while high - low > 1e-12:
        middle = (low + high) / 2
        if not low < middle < high:
            break
        if excess(middle) * at_low > 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2
