"""One look at the canary that runs, and what follows from it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, NamedTuple

from pydantic import Field

from housing_ml.records.base import Record
from housing_ml.releases.channels import read_channels
from housing_ml.rollout.canary import promote_canary, stop
from housing_ml.rollout.decision import WatchDecision, watch
from housing_ml.rollout.observations import gather_observations, probation_name

if TYPE_CHECKING:
    from housing_ml.releases.records import Release
    from housing_ml.rollout.decision import WatchPolicy
    from housing_ml.storage.versioned import ReleaseStorage

Outcome = Literal["promoted", "aborted", "ended by someone else"]
BY = "canary watch"


class WatchResult(Record):
    """How a canary ended."""

    version: str | None = Field(description="The canary's; none when there was none to watch.")
    outcome: Outcome
    reasons: tuple[str, ...]
    requests: int = Field(description="Requests that it answered.")

    def __str__(self) -> str:
        """Say it for a person."""
        return f"canary {self.version or ''} {self.outcome}: {'; '.join(self.reasons)}"


class Look(NamedTuple):
    """The canary and what to do with it."""

    canary: Release
    decision: WatchDecision


def look(storage: ReleaseStorage, policy: WatchPolicy) -> Look | None:
    """Decide on what all workers have seen until now; None when no canary runs.

    Raises:
        ReleaseError: when the channels or a worker's report cannot be read.
    """
    channels, _ = read_channels(storage)
    probation = probation_name(channels)
    if probation is None:
        return None
    canary = channels.channels["canary"]
    running = datetime.now(UTC) - datetime.fromisoformat(canary.promoted_at)
    seen = gather_observations(storage, probation)
    return Look(canary, watch(seen, policy, running.total_seconds() / 3600, canary.shift or 0.0))


def promote(storage: ReleaseStorage, found: Look, *, by: str = BY) -> WatchResult:
    """Make the canary the champion.

    Raises:
        ReleaseError: when it is not the canary any more.
    """
    evidence = found.decision.model_dump(mode="json")
    promote_canary(storage, why=_why(found), by=by, bundle=found.canary.bundle, evidence=evidence)
    return _result(found, "promoted")


def abort(storage: ReleaseStorage, found: Look, *, by: str = BY) -> WatchResult:
    """End the canary; one with a bad figure is not promoted by itself again.

    Raises:
        ConflictError: when someone else moved the channels meanwhile.
    """
    stopped = stop(
        storage,
        "canary",
        why=_why(found),
        by=by,
        withdraw=any(figure.verdict == "bad" for figure in found.decision.figures),
        bundle=found.canary.bundle,
        evidence=found.decision.model_dump(mode="json"),
    )
    return _result(found, "aborted" if stopped else "ended by someone else")


def ended(found: Look | None) -> WatchResult:
    """Return the result when the canary is gone."""
    if found is None:
        return WatchResult(
            version=None, outcome="ended by someone else", reasons=("no canary runs",), requests=0
        )
    return _result(found, "ended by someone else")


def _why(found: Look) -> str:
    return "; ".join(found.decision.reasons)


def _result(found: Look, outcome: Outcome) -> WatchResult:
    return WatchResult(
        version=found.canary.version,
        outcome=outcome,
        reasons=found.decision.reasons,
        requests=found.decision.requests,
    )
