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
from housing_ml.rollout.confidence import Range, mean_difference_range, rate_range

if TYPE_CHECKING:
    from housing_ml.rollout.counts import Arm, Moments, Observation

Action = Literal["promote", "abort", "ask", "wait"]
Verdict = Literal["good", "bad", "open", "not applicable"]


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
        default=0.1, gt=0, description="Relative shift of the mean price, up or down."
    )
    max_feedback_excess: float = Field(
        default=0.02, gt=0, lt=1, description="Rise of the relative error where prices are known."
    )
    minimum_requests: int = Field(
        default=50, ge=10, description="Requests of each model before means are compared."
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


def watch(seen: Observation, policy: WatchPolicy, hours: float) -> WatchDecision:
    """Decide on what was seen in the hours since the canary started."""
    figures = _figures(seen, policy)
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


def _figures(seen: Observation, policy: WatchPolicy) -> tuple[Figure, ...]:
    canary, champion = seen.canary, seen.champion
    level = policy.level / 4
    errors = _rate_excess(canary, champion, "errors", level)
    slow = _rate_excess(canary, champion, "slow", level)
    shift = _mean_excess(canary.log_price, champion.log_price, policy.max_price_shift, policy)
    worse = _mean_excess(canary.feedback, champion.feedback, policy.max_feedback_excess, policy)
    known = min(canary.feedback.count, champion.feedback.count) >= policy.minimum_requests
    feedback = _figure("error on feedback", worse, policy.max_feedback_excess)
    return (
        _figure("failed requests", errors, policy.max_error_excess),
        _figure("slow requests", slow, policy.max_slow_excess),
        _figure("prices", shift, policy.max_price_shift, both_sides=True),
        feedback if known else feedback.model_copy(update={"verdict": "not applicable"}),
    )


def _rate_excess(canary: Arm, champion: Arm, name: str, level: float) -> Range:
    ours = rate_range(getattr(canary, name), canary.requests, level / 2)
    theirs = rate_range(getattr(champion, name), champion.requests, level / 2)
    return ours.minus(theirs)


def _mean_excess(ours: Moments, theirs: Moments, limit: float, policy: WatchPolicy) -> Range:
    if min(ours.count, theirs.count) < policy.minimum_requests:
        return Range(-float("inf"), float("inf"))
    return mean_difference_range(ours, theirs, limit, policy.level / 4)


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
