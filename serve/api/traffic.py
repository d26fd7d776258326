"""Requests and latency of the last hours by minute, for the operators' page.

One process counts its own: a page that needs no other server sees at least where it was answered.
Prometheus has the rest.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import OrderedDict

import msgspec

MINUTES = 360
"""How long a minute is remembered."""

BOUNDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Upper bounds of the bins of latency, in seconds."""


class MinutesOfTraffic(msgspec.Struct, frozen=True):
    """Minutes with requests, by column."""

    minute: list[int]
    """Its start, in seconds since 1970."""
    requests: list[int]
    failed: list[int]
    """Of these, answered with a status of 500 or more."""
    median_milliseconds: list[float]
    """The median is below it: the upper bound of its bin."""
    p99_milliseconds: list[float]


class Traffic:
    """Counts by minute: answers, failures, and bins of latency."""

    def __init__(self) -> None:
        self._minutes: OrderedDict[int, list[int]] = OrderedDict()

    def answered(self, status: int, seconds: float, now: float | None = None) -> None:
        """Count one answer; `now` in seconds since 1970 is the clock's."""
        minute = int((time.time() if now is None else now) // 60)
        counts = self._minutes.get(minute)
        if counts is None:
            counts = self._minutes[minute] = [0] * (len(BOUNDS) + 2)
            while len(self._minutes) > MINUTES:
                self._minutes.popitem(last=False)
        counts[bisect_left(BOUNDS, seconds)] += 1
        counts[-1] += status >= 500

    def minutes(self) -> MinutesOfTraffic:
        """Return what was counted, the oldest first."""
        found = sorted(self._minutes.items())
        bins = [counts[:-1] for _, counts in found]
        return MinutesOfTraffic(
            minute=[minute * 60 for minute, _ in found],
            requests=[sum(counts) for counts in bins],
            failed=[counts[-1] for _, counts in found],
            median_milliseconds=[_quantile(counts, 0.5) for counts in bins],
            p99_milliseconds=[_quantile(counts, 0.99) for counts in bins],
        )


def _quantile(bins: list[int], share: float) -> float:
    """Return the bound in milliseconds that a share of the answers stayed within."""
    wanted, seen = share * sum(bins), 0
    for bound, count in zip((*BOUNDS, 2 * BOUNDS[-1]), bins, strict=True):
        seen += count
        if seen >= wanted:
            return 1000 * bound
    return 0.0
