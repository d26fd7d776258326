"""Must a new champion go back? A pure decision from counts of it and of the one before.

After a promotion the old champion prices the same rows for some hours, off the answer's path. Each
figure has an interval that holds at every look at once; the new model goes back as soon as one of
them lies wholly beyond its limit. So one that is no worse is taken back in at most `LEVEL` of all
cases. The limits are wide: the gate has judged how good it is, and this is about what is broken.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from housing_ml.rollout.paired_figures import (
    apart,
    by_all,
    errors,
    failures,
    foreseen,
    prices,
    slowness,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from housing_ml.rollout.confidence import Range
    from housing_ml.rollout.counts import Observation
    from housing_ml.rollout.pairs import Cluster

LEVEL = 0.05
"""Chance of taking back a model that is just as good."""

MAX_FAILED = 0.01
"""Rise of the share of requests that fail, or get no finite price."""
MAX_SLOW = 0.02
"""Rise of the share of slow requests."""
MAX_SHIFT = 0.1
"""Mean shift of the prices beyond what the gate saw, as a logarithm, up or down."""
MAX_APART = 0.2
"""Mean distance of a price from the old one beyond what the gate saw, as a logarithm: prices that
collapse to one, or that are mixed up, need not shift on average."""
MAX_FORESEEN = 0.05
"""Rise of the relative error that the model foresees of itself."""
MAX_ERROR = 0.05
"""Rise of the relative error where prices are known."""


class Verdict(NamedTuple):
    """What the guard found."""

    requests: int
    """Requests that both models had."""
    reasons: tuple[str, ...]
    """Why the model must go back; none: it may stay."""


def guard(seen: Observation, shift: float = 0.0, distance: float = 0.0) -> Verdict:
    """Judge what both models made of the same requests until now.

    Args:
        seen: the counts.
        shift: the mean logarithm by which the gate saw prices of the latest traffic move.
        distance: how far from that mean they moved there, on average.
    """
    level = LEVEL / 6

    def ranged(judge: Callable[[Sequence[Cluster]], Range], *, largest: bool = False) -> Range:
        return by_all(seen.pairs, judge, largest=largest)

    moved = ranged(lambda rows: prices(rows, MAX_SHIFT, level))
    above = {
        "failed requests": (ranged(lambda rows: failures(rows, level)), MAX_FAILED),
        "slow requests": (ranged(lambda rows: slowness(rows, level)), MAX_SLOW),
        "distance of prices": (
            ranged(lambda rows: apart(rows, MAX_APART, level)),
            MAX_APART + distance,
        ),
        "foreseen error": (ranged(lambda rows: foreseen(rows, MAX_FORESEEN, level)), MAX_FORESEEN),
        "error on feedback": (
            ranged(lambda rows: errors(rows, MAX_ERROR, level), largest=True),
            MAX_ERROR,
        ),
    }
    reasons = [
        _said(name, found, limit) for name, (found, limit) in above.items() if found.low > limit
    ]
    if moved.low - shift > MAX_SHIFT or moved.high - shift < -MAX_SHIFT:
        reasons.append(_said("prices", moved, MAX_SHIFT))
    requests = sum(item.requests for part in seen.pairs.values() for item in part.values())
    return Verdict(requests, tuple(reasons))


def _said(name: str, found: Range, limit: float) -> str:
    ends = " to ".join("any" if math.isinf(end) else f"{end:+.1%}" for end in found)
    return f"{name}: {ends} against the version before, limit {limit:.0%}"
