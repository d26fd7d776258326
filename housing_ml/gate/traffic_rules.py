"""The gate's rules on what the service was asked for lately, before it is asked again.

Only traffic says how a model does where it is used. A price that cannot be given is a failure; one
that moves, or comes with a new warning, may be right: where that happens often a person decides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from housing_ml.gate.records import Finding

if TYPE_CHECKING:
    from housing_ml.config.gate import GateConfig
    from housing_ml.gate.records import GateEvidence


def finite(evidence: GateEvidence, config: GateConfig) -> Finding:
    """G29: every logged row has a price."""
    found = evidence.traffic
    if found is None:
        return _nothing(config)
    reason = f"{found.not_finite:,} of {found.rows:,} logged rows have no finite price"
    return Finding(found.not_finite == 0, reason, found.not_finite, 0)


def moved(evidence: GateEvidence, config: GateConfig) -> Finding:
    """G30: most prices of logged rows stay about where they are, everywhere and in each part."""
    found = evidence.traffic
    if found is None:
        return _nothing(config)
    if found.moved is None:
        return Finding(None, "there is no champion whose prices of the logged rows could move")
    named = {"all": (found.moved, config.max_traffic_moved)} | {
        part.name: (part.moved, config.max_traffic_part_moved)
        for part in found.parts
        if part.rows >= config.minimum_slice_rows
    }
    name, (value, limit) = max(named.items(), key=lambda item: item[1][0] / item[1][1])
    reason = (
        f"{found.moved:.1%} of {found.compared:,} logged rows move by more than 10 % beyond what "
        f"new prices explain, of {config.max_traffic_moved:.0%} allowed"
    )
    if name != "all":
        reason += f"; most of {name}: {value:.1%} of {limit:.0%}"
    return Finding(value <= limit, reason, value, limit, asks=True)


def warned(evidence: GateEvidence, config: GateConfig) -> Finding:
    """G31: few logged rows come with a warning that they came without."""
    found, limit = evidence.traffic, config.max_traffic_warned
    if found is None:
        return _nothing(config)
    if found.newly_warned is None:
        return Finding(None, "there is no champion that says of which logged rows it warns")
    value = found.newly_warned
    reason = (
        f"{value:.2%} of {found.rows:,} logged rows come with a warning for the first time, "
        f"of {limit:.1%} allowed"
    )
    return Finding(value <= limit, reason, value, limit, asks=True)


def _nothing(config: GateConfig) -> Finding:
    reason = f"no row was logged in the last {config.traffic_days} days that it would have to price"
    return Finding(passed=True, reason=reason)
