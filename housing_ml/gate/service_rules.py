"""The gate's rules on what the service would get: behaviour, cost, and what it was made with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from housing_ml.gate.records import Finding, at_least, at_most

if TYPE_CHECKING:
    from housing_ml.config.gate import GateConfig
    from housing_ml.gate.records import GateEvidence

MAX_ROW_ORDER = 1e-9
"""Sums in another order may differ in the last digits, and no more."""

_NO_BUNDLE = Finding(passed=False, reason="the bundle cannot be loaded, so that nothing is known")


def income(evidence: GateEvidence, config: GateConfig) -> Finding:
    """G13: more income does not lower the price on average."""
    if evidence.behaviour is None:
        return _NO_BUNDLE
    value, limit = evidence.behaviour.income, config.min_income_effect
    reason = (
        f"when every income rises, prices change by {value:+.2%} on average, "
        f"and may by {limit:+.2%} at least"
    )
    return at_least(value, limit, reason)


def map_step(evidence: GateEvidence, config: GateConfig) -> Finding:
    """G14: small moves on the map make small moves in price."""
    if evidence.behaviour is None:
        return _NO_BUNDLE
    value, limit = evidence.behaviour.map_step, config.max_map_step
    reason = f"100 m on the map are {value:.2%} of the price on average, of {limit:.2%} allowed"
    return at_most(value, limit, reason)


def row_order(evidence: GateEvidence, _: GateConfig) -> Finding:
    """G15: a row's price does not depend on the rows that it comes with."""
    if evidence.behaviour is None:
        return _NO_BUNDLE
    value, limit = evidence.behaviour.row_order, MAX_ROW_ORDER
    reason = (
        f"other neighbours in the request change a price by {value:.0e}, of {limit:.0e} allowed"
    )
    return at_most(value, limit, reason)


def missing_bedrooms(evidence: GateEvidence, config: GateConfig) -> Finding:
    """G16: a row without bedrooms is priced about like the same row with them."""
    if evidence.behaviour is None:
        return _NO_BUNDLE
    value, limit = evidence.behaviour.missing_bedrooms, config.max_missing_bedrooms
    reason = f"without bedrooms prices move by {value:.2%} on average, of {limit:.2%} allowed"
    return at_most(value, limit, reason)


def latency(evidence: GateEvidence, config: GateConfig) -> Finding:
    """G17: one prediction is quick enough for the service."""
    if evidence.cost is None:
        return _NO_BUNDLE
    value, limit = evidence.cost.microseconds, config.max_microseconds
    reason = f"one row takes {value:,.0f} microseconds, of {limit:,.0f} allowed"
    return at_most(value, limit, reason)


def size(evidence: GateEvidence, config: GateConfig) -> Finding:
    """G18: the bundle is small enough for the service to hold several."""
    if evidence.cost is None:
        return _NO_BUNDLE
    value, limit = evidence.cost.bundle_bytes / 1e6, config.max_bundle_megabytes
    reason = f"the bundle has {value:.1f} MB, of {limit:.0f} MB allowed"
    return at_most(value, limit, reason)


def code(evidence: GateEvidence, _: GateConfig) -> Finding:
    """G19: what ran is committed and locked, where that is asked for."""
    state = evidence.code
    if state is None:
        return Finding(None, "gate.require_committed_code is off")
    if state.commit == "unknown":
        return Finding(passed=False, reason="the code runs outside a checkout: no commit is known")
    if state.uncommitted:
        return Finding(passed=False, reason=f"the code differs from commit {state.commit[:12]}")
    if state.unlocked is None:
        return Finding(passed=False, reason="there is no requirements.lock to compare with")
    if state.unlocked:
        packages = ", ".join(state.unlocked[:5])
        return Finding(passed=False, reason=f"packages differ from requirements.lock: {packages}")
    return Finding(
        passed=True, reason=f"the code is commit {state.commit[:12]}, all packages as locked"
    )


def withdrawn(evidence: GateEvidence, _: GateConfig) -> Finding:
    """G20: the very model was not taken out of service before."""
    why = evidence.withdrawn
    if why is None:
        return Finding(passed=True, reason="the model was never rolled back")
    return Finding(passed=False, reason=f"this very model was rolled back: {why}")
