"""Counts of a canary and of the champion beside it, which add up over workers."""

from __future__ import annotations

import msgspec

from housing_ml.rollout.pairs import Pairs, together

SLOW_SECONDS = 0.05
"""A request that takes longer in the service counts as slow."""


class Moments(msgspec.Struct, frozen=True):
    """Count, mean, and sum of squared deviations from it, of numbers seen one by one."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0

    def __add__(self, other: Moments) -> Moments:
        """Return the moments of both together (Chan, Golub and LeVeque, 1983)."""
        count = self.count + other.count
        if not count:
            return self
        gap = other.mean - self.mean
        return Moments(
            count,
            self.mean + gap * other.count / count,
            self.squares + other.squares + gap * gap * self.count * other.count / count,
        )

    def including(self, value: float) -> Moments:
        """Return the moments with one more number."""
        return self + Moments(1, value)


class Arm(msgspec.Struct, frozen=True, kw_only=True):
    """What one of the two models did."""

    requests: int = 0
    errors: int = 0
    """Requests that failed by the model's fault."""
    slow: int = 0
    """Requests that took longer than `SLOW_SECONDS`."""
    log_price: Moments = Moments()
    """Of each request: the mean natural logarithm of its predicted prices in dollars."""
    feedback: Moments = Moments()
    """Of |predicted - actual| / actual, at most 1, of predictions whose price became known."""

    def __add__(self, other: Arm) -> Arm:
        """Return what both did."""
        return Arm(
            **{name: getattr(self, name) + getattr(other, name) for name in self.__struct_fields__}
        )


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker, or all of them, saw of both since the probation began."""

    canary: Arm = Arm()
    champion: Arm = Arm()
    pairs: Pairs = {}
    """What both made of the canary's requests."""

    def __add__(self, other: Observation) -> Observation:
        """Return what both saw."""
        return Observation(
            canary=self.canary + other.canary,
            champion=self.champion + other.champion,
            pairs=together(self.pairs, other.pairs),
        )
