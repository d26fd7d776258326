"""The gate's rules on parts of the holdout: none may be much worse than the whole suggests.

A part fails when its figure breaks the limit beyond doubt: by a one-sided bound whose error level
is shared among the parts (Bonferroni), so that a good model with many small parts is rejected at
most as often as the level says. Parts of few rows are not judged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from scipy.special import stdtrit

from housing_ml.gate.chance import most
from housing_ml.gate.model_rules import FOR_REAL_DATA
from housing_ml.gate.records import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from housing_ml.config.gate import GateConfig
    from housing_ml.gate.records import GateEvidence
    from housing_ml.gate.slices import SliceEvidence
    from housing_ml.modelling.ratio import Ratio


def slice_error(evidence: GateEvidence, config: GateConfig) -> Finding:
    """G10: no part has a wMAPE that surely lies above the limit."""
    if evidence.synthetic:
        return FOR_REAL_DATA
    limit = config.max_slice_wmape
    judged = _judged(evidence, config)

    def excess(part: SliceEvidence, level: float) -> float:
        return _least(part.wmape, part.rows, level) - limit

    return _worst(
        judged, config, excess, lambda part: f"wMAPE is {part.wmape.value:.1%}, limit {limit:.0%}"
    )


def slice_loss(evidence: GateEvidence, config: GateConfig) -> Finding:
    """G11: no part is surely worse than with the champion by more than the allowed loss."""
    judged = [part for part in _judged(evidence, config) if part.difference is not None]
    if not judged:
        return Finding(None, "there is no champion to compare slices with")

    def excess(part: SliceEvidence, level: float) -> float:
        if part.difference is None or part.champion is None:
            return -1.0
        allowed = config.max_slice_loss * part.champion
        return _least(part.difference, part.rows, level) - allowed

    return _worst(
        judged,
        config,
        excess,
        lambda part: (
            f"wMAPE is {part.wmape.value:.2%} against the champion's {part.champion or 0:.2%}, "
            f"of which {config.max_slice_loss:.0%} more are allowed"
        ),
    )


def slice_coverage(evidence: GateEvidence, config: GateConfig) -> Finding:
    """G12: in no part do the intervals surely hold fewer prices than the limit.

    Bands of the price itself are left out: they are cut by the outcome, and the highest prices of
    a band are always those that were underrated.
    """
    limit = evidence.interval_level - config.slice_coverage_tolerance
    judged = [part for part in _judged(evidence, config) if part.kind != "price"]

    def excess(part: SliceEvidence, level: float) -> float:
        return limit - most(part.covered, part.rows, level)

    return _worst(
        judged,
        config,
        excess,
        lambda part: (
            f"intervals hold {part.covered / part.rows:.1%} of the prices, limit {limit:.0%}"
        ),
    )


def _judged(evidence: GateEvidence, config: GateConfig) -> list[SliceEvidence]:
    return [part for part in evidence.slices if part.rows >= config.minimum_slice_rows]


def _worst(
    judged: Sequence[SliceEvidence],
    config: GateConfig,
    excess: Callable[[SliceEvidence, float], float],
    describe: Callable[[SliceEvidence], str],
) -> Finding:
    """Return the finding on the parts that break their limit, or on the one that is nearest to it.

    `excess` gives by how much a part breaks its limit even if chance of the given level helped.
    """
    if not judged:
        return Finding(None, f"no slice has {config.minimum_slice_rows} rows")
    level = (1 - config.confidence) / len(judged)
    ranked = sorted(((excess(part, level), part) for part in judged), key=lambda pair: -pair[0])
    beyond = [part for value, part in ranked if value > 0]
    named = "; ".join(
        f"{part} ({part.rows:,} rows): {describe(part)}" for part in (beyond or [ranked[0][1]])[:3]
    )
    reason = (
        f"{len(beyond)} of {len(judged)} slices are surely beyond their limit: {named}"
        if beyond
        else f"none of {len(judged)} slices is surely beyond its limit; the nearest is {named}"
    )
    return Finding(not beyond, reason, ranked[0][0], 0.0)


def _least(estimate: Ratio, rows: int, level: float) -> float:
    """Return the lower end of a one-sided interval of Student's t."""
    return float(estimate.value + estimate.error * stdtrit(rows - 1, level))
