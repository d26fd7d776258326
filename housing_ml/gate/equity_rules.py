"""The gate's rules on how fair the prices are to assess by, everywhere and in each region.

A region is judged without its odd ratios, of which a few make its figures; all rows with them.
A part breaks a limit when its figure surely lies beyond: by the bootstrap interval that the
evaluation gives, as the International Association of Assessing Officers judges bias by price.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from housing_ml.gate.model_rules import FOR_REAL_DATA
from housing_ml.gate.records import Finding
from housing_ml.records.equity import EVERYWHERE

if TYPE_CHECKING:
    from collections.abc import Callable

    from housing_ml.config.gate import GateConfig
    from housing_ml.gate.records import GateEvidence
    from housing_ml.records.equity import Equity, Ratios


class _Limits(NamedTuple):
    low: float
    high: float

    def excess(self, name: str, item: Ratios) -> float:
        """Return how far a part's figure surely lies beyond the limits; below 0 within them."""
        interval = item.intervals[name]
        return max(interval.low - self.high, self.low - interval.high)


def cod(evidence: GateEvidence, config: GateConfig) -> Finding:
    """G26: like houses are priced alike: no part's ratios surely scatter beyond the limit."""
    return _judge(evidence, config, "cod", _Limits(0.0, config.max_cod), "{:.1%}".format)


def prd(evidence: GateEvidence, config: GateConfig) -> Finding:
    """G27: cheap and dear houses are priced alike, as the price-related differential sees it."""
    limits = _Limits(config.min_prd, config.max_prd)
    return _judge(evidence, config, "prd", limits, "{:.3f}".format)


def prb(evidence: GateEvidence, config: GateConfig) -> Finding:
    """G28: cheap and dear houses are priced alike, as the price-related bias sees it."""
    limits = _Limits(-config.max_prb, config.max_prb)
    return _judge(evidence, config, "prb", limits, "{:+.3f}".format)


def _judge(
    evidence: GateEvidence,
    config: GateConfig,
    name: str,
    limits: _Limits,
    shown: Callable[[float], str],
) -> Finding:
    if evidence.synthetic:
        return FOR_REAL_DATA
    judged = {
        item.part: _judged(item)
        for item in evidence.evaluation.equity
        if item.part == EVERYWHERE or item.rows >= config.minimum_equity_rows
    }
    if not judged:
        return Finding(None, "nobody looked at the ratios")
    worst = max(judged, key=lambda part: limits.excess(name, judged[part]))
    told = [
        f"{_said(name, judged[part], shown)} in {part}"
        for part in dict.fromkeys((next(iter(judged)), worst))
    ]
    value = limits.excess(name, judged[worst])
    reason = (
        f"{name.upper()} is {'; '.join(told)}, and may be {shown(limits.low)} to "
        f"{shown(limits.high)}, as far as chance allows"
    )
    return Finding(value <= 0, reason, judged[worst].named[name], limits.high)


def _judged(item: Equity) -> Ratios:
    return item if item.part == EVERYWHERE or item.trimmed is None else item.trimmed


def _said(name: str, item: Ratios, shown: Callable[[float], str]) -> str:
    low, high = item.intervals[name]
    return f"{shown(item.named[name])} ({shown(low)} to {shown(high)})"
