"""Is a new model called for? Pure: a frozen record of evidence in, a decision with reasons out.

Something must call for it, and nothing may hold it back. More reasons to retrain never turn a yes
into a no, and a fresh brake never a no into a yes.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Literal, NamedTuple

from pydantic import AwareDatetime, Field

from housing_ml.monitoring.drift import Alarm
from housing_ml.records.base import Record

if TYPE_CHECKING:
    from collections.abc import Callable

    from housing_ml.config.monitoring import RetrainingConfig

Role = Literal["calls", "holds back"]


class RetrainingEvidence(Record):
    """All that the decision rests on."""

    now: AwareDatetime
    trained_at: AwareDatetime | None = Field(description="Of the champion; none without one.")
    alarms: tuple[Alarm, ...] = Field(description="Columns that moved and stayed so.")
    live_error: tuple[str, ...] = Field(description="Why the live error is over its limit.")
    new_rows: int = Field(ge=0, description="Labelled rows that the champion has not seen.")
    retrains: tuple[AwareDatetime, ...] = Field(description="When retrains were asked for.")


class RetrainingCheck(Record):
    """One rule's finding."""

    code: str
    title: str
    role: Role
    applies: bool = Field(description="Whether it calls for a retrain, or holds it back, now.")
    reason: str


class RetrainingDecision(Record):
    """Whether to retrain, with the checks and the reasons that decided."""

    retrain: bool
    checks: tuple[RetrainingCheck, ...]
    reasons: tuple[str, ...] = Field(description="What calls for it, or why not.")

    def __str__(self) -> str:
        """Say it for a person."""
        return f"{'retrain' if self.retrain else 'keep the model'}: {'; '.join(self.reasons)}"


class _Rule(NamedTuple):
    code: str
    title: str
    role: Role
    judge: Callable[[RetrainingEvidence, RetrainingConfig], tuple[bool, str]]


def decide(evidence: RetrainingEvidence, config: RetrainingConfig) -> RetrainingDecision:
    """Judge the evidence by every rule."""
    checks = tuple(_check(rule, evidence, config) for rule in RULES)
    calls = tuple(item.reason for item in checks if item.role == "calls" and item.applies)
    brakes = tuple(item.reason for item in checks if item.role == "holds back" and item.applies)
    retrain = bool(calls) and not brakes
    nothing = ("nothing calls for a new model",)
    reasons = calls if retrain else brakes if calls else nothing
    return RetrainingDecision(retrain=retrain, checks=checks, reasons=reasons)


def _check(rule: _Rule, evidence: RetrainingEvidence, config: RetrainingConfig) -> RetrainingCheck:
    applies, reason = rule.judge(evidence, config)
    return RetrainingCheck(
        code=rule.code, title=rule.title, role=rule.role, applies=applies, reason=reason
    )


def _drift(evidence: RetrainingEvidence, _: RetrainingConfig) -> tuple[bool, str]:
    names = ", ".join(alarm.name for alarm in evidence.alarms)
    if not names:
        return False, "no column has drifted for long enough"
    return True, f"{names} drifted and stayed so"


def _live_error(evidence: RetrainingEvidence, _: RetrainingConfig) -> tuple[bool, str]:
    if not evidence.live_error:
        return False, "the live error is within its limit, or too few prices are known"
    return True, "; ".join(evidence.live_error)


def _age(evidence: RetrainingEvidence, config: RetrainingConfig) -> tuple[bool, str]:
    if evidence.trained_at is None:
        return False, "there is no champion yet"
    days = (evidence.now - evidence.trained_at) / timedelta(days=1)
    reason = f"the model is {days:.0f} days old, and may be {config.maximum_age_days:.0f}"
    return days > config.maximum_age_days, reason


def _new_rows(evidence: RetrainingEvidence, config: RetrainingConfig) -> tuple[bool, str]:
    reason = (
        f"{evidence.new_rows:,} new labelled rows, and a retrain needs {config.minimum_new_rows:,}"
    )
    return evidence.new_rows < config.minimum_new_rows, reason


def _cool_down(evidence: RetrainingEvidence, config: RetrainingConfig) -> tuple[bool, str]:
    if not evidence.retrains:
        return False, "no retrain was asked for before"
    hours = (evidence.now - max(evidence.retrains)) / timedelta(hours=1)
    reason = (
        f"the last retrain was {hours:.0f} hours ago, and {config.cool_down_hours:.0f} must pass"
    )
    return hours < config.cool_down_hours, reason


def _budget(evidence: RetrainingEvidence, config: RetrainingConfig) -> tuple[bool, str]:
    since = evidence.now - timedelta(days=config.budget_days)
    spent = sum(moment > since for moment in evidence.retrains)
    reason = f"{spent} of {config.budget} retrains in {config.budget_days:.0f} days are spent"
    return spent >= config.budget, reason


RULES = (
    _Rule("R01", "Drift", "calls", _drift),
    _Rule("R02", "Live error", "calls", _live_error),
    _Rule("R03", "Age", "calls", _age),
    _Rule("R04", "New rows", "holds back", _new_rows),
    _Rule("R05", "Cool-down", "holds back", _cool_down),
    _Rule("R06", "Budget", "holds back", _budget),
)
