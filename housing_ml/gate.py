"""May this model be promoted? A pure decision: a frozen record of evidence in, coded checks out.

Every check must pass or not apply. A value that improves never turns a pass into a fail.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from housing_ml.evaluation import Evaluation
from housing_ml.metrics import PairedDifference

if TYPE_CHECKING:
    from collections.abc import Callable

    from housing_ml.config import GateConfig

Verdict = Literal["pass", "fail", "not applicable"]

MAX_SKEW = 1e-6
"""Largest relative difference between the bundle's predictions and the pipeline's."""


class Champion(BaseModel):
    """The model in service, judged anew on the candidate's holdout."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    version: str = Field(description="Its version in the registry.")
    synthetic: bool = Field(description="Whether it was trained on synthetic data.")
    same_content: bool = Field(description="Whether the candidate's bundle has its digest.")
    difference: PairedDifference | None = Field(
        description="Candidate against champion on the holdout; none where it could not be scored."
    )


class GateEvidence(BaseModel):
    """All that the decision rests on."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    evaluation: Evaluation = Field(description="The candidate on its holdout.")
    interval_level: float = Field(gt=0, lt=1, description="Coverage that its intervals aim at.")
    skew: float = Field(
        ge=0, description="Largest relative difference between its bundle and its pipeline."
    )
    golden_replayed: bool = Field(
        description="Whether the saved bundle was loaded and repeated its golden rows exactly."
    )
    synthetic: bool = Field(description="Whether it was trained on synthetic data.")
    champion: Champion | None = Field(description="The model to beat; none for the first model.")


class Check(BaseModel):
    """One rule's verdict; `code` never changes its meaning."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    code: str
    title: str
    value: float | None = Field(description="What was found, where it is a number.")
    limit: float | None = Field(description="What it is held against.")
    verdict: Verdict
    reason: str = Field(description="The verdict in a sentence.")
    fix: str = Field(description="What to do about a failure; empty otherwise.")


class GateDecision(BaseModel):
    """Whether to promote, with the checks and the reasons that decided."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    promote: bool
    checks: tuple[Check, ...]
    reasons: tuple[str, ...] = Field(
        description="Why not: the failures; or why: how the candidate stands to the champion."
    )

    def __str__(self) -> str:
        """Say it for a person."""
        return f"{'passed' if self.promote else 'rejected'}: {'; '.join(self.reasons)}"


class _Finding(NamedTuple):
    passed: bool | None
    reason: str
    value: float | None = None
    limit: float | None = None


class _Rule(NamedTuple):
    code: str
    title: str
    fix: str
    judge: Callable[[GateEvidence, GateConfig], _Finding]


def decide(evidence: GateEvidence, config: GateConfig) -> GateDecision:
    """Judge the evidence by every rule; promote when none fails."""
    checks = tuple(_check(rule, evidence, config) for rule in RULES)
    failures = tuple(check.reason for check in checks if check.verdict == "fail")
    return GateDecision(
        promote=not failures, checks=checks, reasons=failures or (checks[-1].reason,)
    )


def _check(rule: _Rule, evidence: GateEvidence, config: GateConfig) -> Check:
    passed, reason, value, limit = rule.judge(evidence, config)
    verdicts: dict[bool | None, Verdict] = {True: "pass", False: "fail", None: "not applicable"}
    return Check(
        code=rule.code,
        title=rule.title,
        value=value,
        limit=limit,
        verdict=verdicts[passed],
        reason=reason,
        fix=rule.fix if passed is False else "",
    )


_FOR_REAL_DATA = _Finding(None, "the limit is about real data, and this model saw synthetic data")


def _rmse(evidence: GateEvidence, config: GateConfig) -> _Finding:
    if evidence.synthetic:
        return _FOR_REAL_DATA
    value, limit = evidence.evaluation.metrics.rmse, config.max_rmse
    reason = f"RMSE is {value:,.0f} $, and may be {limit:,.0f} $ at most"
    return _Finding(value <= limit, reason, value, limit)


def _r2(evidence: GateEvidence, config: GateConfig) -> _Finding:
    if evidence.synthetic:
        return _FOR_REAL_DATA
    value, limit = evidence.evaluation.metrics.r2, config.min_r2
    return _Finding(value >= limit, f"R2 is {value:.3f}, and needs {limit:.3f}", value, limit)


def _mape(evidence: GateEvidence, config: GateConfig) -> _Finding:
    if evidence.synthetic:
        return _FOR_REAL_DATA
    value, limit = evidence.evaluation.metrics.mape, config.max_mape
    reason = f"MAPE is {value:.2%}, and may be {limit:.2%} at most"
    return _Finding(value <= limit, reason, value, limit)


def _coverage(evidence: GateEvidence, config: GateConfig) -> _Finding:
    value = abs(evidence.evaluation.coverage - evidence.interval_level)
    limit = config.coverage_tolerance
    reason = (
        f"intervals hold {evidence.evaluation.coverage:.1%} of the prices, which may differ from "
        f"{evidence.interval_level:.1%} by {limit:.1%} at most"
    )
    return _Finding(value <= limit, reason, value, limit)


def _golden(evidence: GateEvidence, _: GateConfig) -> _Finding:
    outcome = "repeats" if evidence.golden_replayed else "does not repeat"
    return _Finding(
        evidence.golden_replayed, f"the saved bundle {outcome} the predictions of its golden rows"
    )


def _skew(evidence: GateEvidence, _: GateConfig) -> _Finding:
    reason = (
        f"bundle and pipeline differ by {evidence.skew:.1e} of a price, "
        f"and may by {MAX_SKEW:.0e} at most"
    )
    return _Finding(evidence.skew <= MAX_SKEW, reason, evidence.skew, MAX_SKEW)


def _provenance(evidence: GateEvidence, _: GateConfig) -> _Finding:
    if not evidence.synthetic:
        return _Finding(passed=True, reason="the model saw real data")
    champion = evidence.champion
    if champion is None or champion.synthetic:
        return _Finding(
            passed=True, reason="the model saw synthetic data, and replaces no real one"
        )
    reason = f"the model saw synthetic data, and version {champion.version} saw real data"
    return _Finding(passed=False, reason=reason)


def _novelty(evidence: GateEvidence, _: GateConfig) -> _Finding:
    champion = evidence.champion
    if champion is None:
        return _Finding(None, "there is no champion yet")
    if champion.same_content:
        reason = f"the model is the champion: its bundle is that of version {champion.version}"
        return _Finding(passed=False, reason=reason)
    return _Finding(passed=True, reason=f"the bundle is not that of version {champion.version}")


def _gain(evidence: GateEvidence, config: GateConfig) -> _Finding:
    champion = evidence.champion
    if champion is None:
        return _Finding(None, "there is no champion yet: the limits alone decide")
    if champion.same_content:
        return _Finding(None, "a model cannot be better than itself")
    found = champion.difference
    if found is None:
        reason = f"version {champion.version} could not be scored on this holdout"
        return _Finding(passed=False, reason=reason)
    value, limit = found.interval.high, 0.0 - config.minimum_gain * found.champion
    reason = (
        f"wMAPE is {found.candidate:.2%} against {found.champion:.2%} of version "
        f"{champion.version} on the same {found.rows:,} rows: a difference of "
        f"{100 * found.interval.low:+.2f} to {100 * value:+.2f} points with "
        f"{found.confidence:.0%} confidence, which must lie below {100 * limit:+.2f}"
    )
    return _Finding(value < limit, reason, value, limit)


RULES = (
    _Rule("G01", "RMSE", "Improve the model, or reconsider gate.max_rmse.", _rmse),
    _Rule("G02", "R2", "Improve the model, or reconsider gate.min_r2.", _r2),
    _Rule("G03", "MAPE", "Improve the model, or reconsider gate.max_mape.", _mape),
    _Rule(
        "G04",
        "Interval coverage",
        "Look for a shift between the training rows and the holdout: the calibration assumes none.",
        _coverage,
    ),
    _Rule("G05", "Golden rows", "Train again, and see whether the storage is damaged.", _golden),
    _Rule(
        "G06",
        "No skew",
        "Compare the features and the exported trees with the pipeline on the row that differs.",
        _skew,
    ),
    _Rule("G07", "Provenance", "Train on real data: set data.url.", _provenance),
    _Rule("G08", "New content", "Nothing to do: the model is in service already.", _novelty),
    _Rule(
        "G09",
        "Better than the champion",
        "Keep the champion, or bring more data, better features or a longer sweep.",
        _gain,
    ),
)
"""Every rule in the order of its code; the last one says how the candidate stands."""
