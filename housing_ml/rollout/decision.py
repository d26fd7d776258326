"""May a canary go on? A pure decision from counts: promote, abort, ask, or wait for more.

Each figure has an interval that holds at every look at once. A figure is bad when its interval lies
wholly beyond the limit, good when wholly within, and else open. One bad figure aborts; when all are
good the canary has shown itself not to be worse. So a canary that is as good as the champion is
aborted in at most `level` of all cases, however often the watch looks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from housing_ml.config.base import Config
from housing_ml.records.base import Record
from housing_ml.rollout.confidence import Range
from housing_ml.rollout.paired_figures import by_all, errors, failures, prices, slowness

if TYPE_CHECKING:
    from housing_ml.rollout.counts import Observation
    from housing_ml.rollout.pairs import Pairs

Action = Literal["promote", "abort", "ask", "wait"]
Verdict = Literal["good", "bad", "open", "not applicable"]

_CALLERS = 2
"""With prices of fewer callers, feedback decides nothing."""

_NOT_APPLICABLE = {"verdict": "not applicable"}


class WatchPolicy(Config):
    """What a canary may do, and what follows."""

    level: float = Field(
        default=0.05, gt=0, lt=0.5, description="Chance of aborting a canary that is just as good."
    )
    max_error_excess: float = Field(
        default=0.01, gt=0, lt=1, description="Rise of the share of failed requests."
    )
    max_slow_excess: float = Field(
        default=0.02, gt=0, lt=1, description="Rise of the share of slow requests."
    )
    max_price_shift: float = Field(
        default=0.03, gt=0, description="Relative shift of the price of the same rows, up or down."
    )
    max_feedback_excess: float = Field(
        default=0.02, gt=0, lt=1, description="Rise of the relative error where prices are known."
    )
    minimum_requests: int = Field(
        default=50, ge=10, description="Known prices before the errors are compared."
    )
    hours: float = Field(default=24, gt=0, description="Longest time that the canary may take.")
    look_seconds: float = Field(default=5, gt=0, description="Pause between two looks.")
    when_good: Literal["promote", "ask"] = Field(
        default="promote", description="What to do when every figure is good."
    )
    when_open: Literal["ask", "abort"] = Field(
        default="ask", description="What to do when the time is over and a figure still open."
    )


class Figure(Record):
    """One comparison of the canary with the champion."""

    name: str
    low: float | None = Field(description="Lower end of canary less champion; none: infinite.")
    high: float | None = Field(description="Upper end; none: infinite.")
    limit: float
    verdict: Verdict


class WatchDecision(Record):
    """What to do with the canary, and the figures that say so."""

    action: Action
    reasons: tuple[str, ...]
    requests: int = Field(description="Requests that the canary answered.")
    figures: tuple[Figure, ...]

    def __str__(self) -> str:
        """Say it for a person."""
        return f"{self.action}: {'; '.join(self.reasons)}"


def watch(
    seen: Observation, policy: WatchPolicy, hours: float, shift: float = 0.0
) -> WatchDecision:
    """Decide on what was seen in the hours since the canary started.

    `shift` is the mean logarithm by which the gate saw prices of the latest traffic move.
    """
    figures = _figures(seen, policy, shift)
    bad = tuple(_describe(figure) for figure in figures if figure.verdict == "bad")
    open_ = tuple(_describe(figure) for figure in figures if figure.verdict == "open")
    action: Action = "wait"
    reasons = open_
    if bad:
        action, reasons = "abort", bad
    elif not open_:
        action, reasons = policy.when_good, tuple(_describe(figure) for figure in figures)
    elif hours >= policy.hours:
        action = policy.when_open
    return WatchDecision(
        action=action, reasons=reasons, requests=seen.canary.requests, figures=figures
    )


def _figures(seen: Observation, policy: WatchPolicy, expected: float) -> tuple[Figure, ...]:
    pairs, level = seen.pairs, policy.level / 4
    shift, worse = policy.max_price_shift, policy.max_feedback_excess
    failed = by_all(pairs, lambda clusters: failures(clusters, level))
    slow = by_all(pairs, lambda clusters: slowness(clusters, level))
    moved = by_all(pairs, lambda clusters: prices(clusters, shift, level))
    moved = moved.minus(Range(expected, expected))
    error = by_all(pairs, lambda clusters: errors(clusters, worse, level), largest=True)
    feedback = _figure("error on feedback", error, worse)
    return (
        _figure("failed requests", failed, policy.max_error_excess),
        _figure("slow requests", slow, policy.max_slow_excess),
        _figure("prices", moved, shift, both_sides=True),
        feedback if _known(pairs, policy) else feedback.model_copy(update=_NOT_APPLICABLE),
    )


def _known(pairs: Pairs, policy: WatchPolicy) -> bool:
    """Whether several callers sent prices, and enough of them."""
    known = [sum(item.known for item in clusters.values()) for clusters in pairs.values()]
    return sum(map(bool, known)) >= _CALLERS and sum(known) >= policy.minimum_requests


def _figure(name: str, found: Range, limit: float, *, both_sides: bool = False) -> Figure:
    verdict: Verdict = "open"
    if found.low > limit or (both_sides and found.high < -limit):
        verdict = "bad"
    elif found.high <= limit and (not both_sides or found.low >= -limit):
        verdict = "good"
    infinite = float("inf")
    return Figure(
        name=name,
        low=None if found.low == -infinite else found.low,
        high=None if found.high == infinite else found.high,
        limit=limit,
        verdict=verdict,
    )


def _describe(figure: Figure) -> str:
    if figure.verdict == "not applicable" or figure.low is None or figure.high is None:
        return f"{figure.name}: too few to tell"
    return (
        f"{figure.name}: {figure.low:+.2%} to {figure.high:+.2%} against the champion, "
        f"limit {figure.limit:.2%}"
    )
