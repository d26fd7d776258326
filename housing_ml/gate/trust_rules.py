"""The gate's rules on what a decision rests on: enough rows, and a world that nobody disputes.

They fail a model that is surely worse where truth has not changed, and ask a person where the
figures cannot decide: a champion that looks absurd is a sign that the data or the world broke.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from housing_ml.gate.records import Finding

if TYPE_CHECKING:
    from housing_ml.config.gate import GateConfig
    from housing_ml.gate.records import GateEvidence


def enough_rows(evidence: GateEvidence, config: GateConfig) -> Finding:
    """G21: enough rows are held out, and enough of them compare the two models."""
    rows, limit = evidence.evaluation.rows, config.minimum_holdout_rows
    if rows < limit:
        reason = f"{rows:,} rows are held out, and a verdict needs {limit:,}"
        return Finding(passed=False, reason=reason, value=rows, limit=limit)
    champion = evidence.champion
    if champion is None or champion.same_content or champion.difference is None:
        return Finding(passed=True, reason=f"{rows:,} rows are held out", value=rows, limit=limit)
    compared, limit = champion.difference.rows, config.minimum_compared_rows
    reason = (
        f"{compared:,} of {rows:,} held-out rows are new to version {champion.version} too, "
        f"and a comparison needs {limit:,}"
    )
    return Finding(compared >= limit, reason, compared, limit, asks=True)


def old_world(evidence: GateEvidence, config: GateConfig) -> Finding:
    """G22: no worse than the champion on its own held-out rows whose prices nobody disputes."""
    champion = evidence.champion
    if champion is None or champion.same_content or champion.synthetic or evidence.synthetic:
        return Finding(None, "there is no champion of real data to hold it against")
    found, limit = champion.own_world, config.minimum_compared_rows
    if found is None:
        return Finding(None, f"version {champion.version} published no rows of its own")
    if found.rows < limit:
        reason = (
            f"{found.rows:,} of the rows that were held out for version {champion.version} still "
            f"have an undisputed price, and a verdict needs {limit:,}"
        )
        return Finding(passed=False, reason=reason, value=found.rows, limit=limit, asks=True)
    value, allowed = found.interval_low, config.max_slice_loss * found.champion
    reason = (
        f"on {found.rows:,} undisputed rows of version {champion.version}'s own holdout wMAPE is "
        f"{found.candidate:.2%} against {found.champion:.2%}, of which "
        f"{config.max_slice_loss:.0%} more are allowed"
    )
    return Finding(value <= allowed, reason, value, allowed)


def sane_champion(evidence: GateEvidence, config: GateConfig) -> Finding:
    """G23: the champion prices the new rows about as well as those that it was judged on."""
    champion = evidence.champion
    if champion is None or champion.difference is None or champion.synthetic or evidence.synthetic:
        return Finding(None, "there is no champion of real data on these rows")
    if champion.published_wmape is None or champion.same_content:
        return Finding(None, f"nothing is known of version {champion.version}'s own holdout")
    value, limit = champion.difference.champion, config.max_champion_decline
    ratio = value / max(1e-9, champion.published_wmape)
    reason = (
        f"version {champion.version} had a wMAPE of {champion.published_wmape:.2%} on its own "
        f"holdout and has {value:.2%} on these rows, {ratio:.1f} times as much; more than "
        f"{limit:.1f} times says that the data or the world broke"
    )
    return Finding(ratio <= limit, reason, ratio, limit, asks=True)


def replaced_share(evidence: GateEvidence, config: GateConfig) -> Finding:
    """G24: feedback leaves most rows of the source as they are."""
    value, limit = evidence.replaced_share, config.max_replaced_share
    reason = (
        f"feedback replaced or re-priced {value:.1%} of the source's rows, and may do "
        f"so with {limit:.0%} without a person"
    )
    return Finding(value <= limit, reason, value, limit, asks=True)


def autonomy(evidence: GateEvidence, config: GateConfig) -> Finding:
    """G25: prices moved no further than the policy lets the loop go by itself."""
    del config
    policy, moves = evidence.autonomy, evidence.moves
    if not moves:
        return Finding(None, "no level of prices has moved")
    beyond = [
        move
        for move in moves
        if move.size > policy.max_level_move or move.senders < policy.min_senders
    ]
    largest = max(beyond or moves, key=lambda move: move.size)
    reason = (
        f"{largest}; by itself the loop goes as far as {policy.max_level_move:.0%}, supported by "
        f"{policy.min_senders} senders (release.autonomy)"
    )
    return Finding(not beyond, reason, largest.size, policy.max_level_move, asks=True)
