"""The gate's rules on the model as a whole: its errors, its intervals, its origin, its rival."""

from __future__ import annotations

from typing import TYPE_CHECKING

from housing_ml.gate.chance import least, most
from housing_ml.gate.records import Finding, at_least, at_most

if TYPE_CHECKING:
    from housing_ml.config.gate import GateConfig
    from housing_ml.gate.records import GateEvidence
    from housing_ml.records.metrics import Metrics

MAX_SKEW = 1e-6
"""Largest relative difference between the bundle's predictions and the pipeline's."""

FOR_REAL_DATA = Finding(None, "the limit is about real data, and this model saw synthetic data")


def rmse(evidence: GateEvidence, config: GateConfig) -> Finding:
    """G01: the root mean squared error, within its limit."""
    if evidence.synthetic:
        return FOR_REAL_DATA
    value, limit = evidence.evaluation.metrics.rmse, config.max_rmse
    reason = f"RMSE is {value:,.0f} $, and may be {limit:,.0f} $ at most"
    found = at_most(value, limit, reason)
    champion = _scored(evidence)
    return found if champion is None else _unless(value < champion.rmse, found)


def r2(evidence: GateEvidence, config: GateConfig) -> Finding:
    """G02: the explained variance, above its limit."""
    if evidence.synthetic:
        return FOR_REAL_DATA
    value, limit = evidence.evaluation.metrics.r2, config.min_r2
    found = at_least(value, limit, f"R2 is {value:.3f}, and needs {limit:.3f}")
    champion = _scored(evidence)
    return found if champion is None else _unless(value > champion.r2, found)


def mape(evidence: GateEvidence, config: GateConfig) -> Finding:
    """G03: the mean error as a fraction of the price, within its limit."""
    if evidence.synthetic:
        return FOR_REAL_DATA
    value, limit = evidence.evaluation.metrics.mape, config.max_mape
    reason = f"MAPE is {value:.2%}, and may be {limit:.2%} at most"
    found = at_most(value, limit, reason)
    champion = _scored(evidence)
    return found if champion is None else _unless(value < champion.mape, found)


def coverage(evidence: GateEvidence, config: GateConfig) -> Finding:
    """G04: the intervals hold about as many prices as they promise, beyond doubt by chance."""
    rows, found = evidence.evaluation.rows, evidence.evaluation.coverage
    covered, level = round(found * rows), (1 - config.confidence) / 2
    ends = least(covered, rows, level), most(covered, rows, level)
    value = max(0.0, ends[0] - evidence.interval_level, evidence.interval_level - ends[1])
    limit = config.coverage_tolerance
    reason = (
        f"intervals hold {found:.1%} of {rows:,} prices, which chance makes of a share from "
        f"{ends[0]:.1%} to {ends[1]:.1%}; that may differ from {evidence.interval_level:.1%} by "
        f"{limit:.1%} at most"
    )
    return at_most(value, limit, reason)


def golden(evidence: GateEvidence, _: GateConfig) -> Finding:
    """G05: the stored bundle loads, and repeats its golden rows."""
    outcome = "repeats" if evidence.golden_replayed else "does not repeat"
    return Finding(
        evidence.golden_replayed, f"the saved bundle {outcome} the predictions of its golden rows"
    )


def skew(evidence: GateEvidence, _: GateConfig) -> Finding:
    """G06: on the whole holdout the bundle predicts what the pipeline does."""
    reason = (
        f"bundle and pipeline differ by {evidence.skew:.1e} of a price, "
        f"and may by {MAX_SKEW:.0e} at most"
    )
    return at_most(evidence.skew, MAX_SKEW, reason)


def provenance(evidence: GateEvidence, _: GateConfig) -> Finding:
    """G07: a model of synthetic data replaces none of real data."""
    if not evidence.synthetic:
        return Finding(passed=True, reason="the model saw real data")
    champion = evidence.champion
    if champion is None or champion.synthetic:
        return Finding(passed=True, reason="the model saw synthetic data, and replaces no real one")
    reason = f"the model saw synthetic data, and version {champion.version} saw real data"
    return Finding(passed=False, reason=reason)


def novelty(evidence: GateEvidence, _: GateConfig) -> Finding:
    """G08: the model is not in service already."""
    champion = evidence.champion
    if champion is None:
        return Finding(None, "there is no champion yet")
    if champion.same_content:
        reason = f"the model is the champion: its bundle is that of version {champion.version}"
        return Finding(passed=False, reason=reason)
    return Finding(passed=True, reason=f"the bundle is not that of version {champion.version}")


def gain(evidence: GateEvidence, config: GateConfig) -> Finding:
    """G09: surely better than the champion on the same rows, by the useful gain."""
    champion = evidence.champion
    if champion is None:
        return Finding(None, "there is no champion yet: the limits alone decide")
    if champion.same_content:
        return Finding(None, "a model cannot be better than itself")
    found = champion.difference
    if found is None:
        reason = f"version {champion.version} could not be scored on this holdout"
        return Finding(passed=False, reason=reason)
    value, limit = found.interval.high, 0.0 - config.minimum_gain * found.champion
    reason = (
        f"wMAPE is {found.candidate:.2%} against {found.champion:.2%} of version "
        f"{champion.version} on the same {found.rows:,} rows: a difference of "
        f"{100 * found.interval.low:+.2f} to {100 * value:+.2f} points with "
        f"{found.confidence:.0%} confidence, which must lie below {100 * limit:+.2f}"
    )
    return Finding(value < limit, reason, value, limit)


def _scored(evidence: GateEvidence) -> Metrics | None:
    """Return the metrics of a champion of real data on the same rows."""
    champion = evidence.champion
    return None if champion is None or champion.synthetic else champion.metrics


def _unless(better: bool, found: Finding) -> Finding:  # noqa: FBT001 - reads as a sentence
    """Ask a person about a limit that the champion breaks by more: has the world moved?"""
    if found.passed or not better:
        return found
    return found._replace(asks=True, reason=f"{found.reason}; the champion is further off")
