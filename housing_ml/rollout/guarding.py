"""One look of a service at what was promoted, and what follows from it; any number may look.

Whoever sees first that a model must go back, or that a canary may take over, does it: the channels
move under a precondition, and a roll back of the same guard is done once.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from housing_ml.releases.channels import read_channels
from housing_ml.releases.rollback import roll_back
from housing_ml.rollout.guard import guard
from housing_ml.rollout.observations import gather_observations, guard_name

if TYPE_CHECKING:
    from housing_ml.storage.versioned import ReleaseStorage

BY = "promotion guard"


def look_after_champion(storage: ReleaseStorage) -> str | None:
    """Put the release before back when the new champion is broken; return why, or None.

    Raises:
        ReleaseError: when channels or reports cannot be read, or the roll back is refused.
        ConflictError: when someone else moved the channels meanwhile: look again.
    """
    channels, _ = read_channels(storage)
    name = guard_name(channels, datetime.now(UTC))
    if name is None:
        return None
    champion = channels.channels["champion"]
    seen = gather_observations(storage, name)
    found = guard(seen, champion.shift or 0.0, champion.apart or 0.0)
    if not found.reasons:
        return None
    why = f"{'; '.join(found.reasons)} (after {found.requests:,} requests)"
    roll_back(storage, why=why, by=BY, key=name, bundle=champion.bundle)
    return why


def look_after_canary(storage: ReleaseStorage) -> str | None:
    """Promote or abort a canary that the services watch; return what was done and why, or None.

    Nobody is there to be asked: one that is still open when its time is over ends, and is not
    withdrawn.

    Raises:
        ReleaseError: when channels or reports cannot be read.
        ConflictError: when someone else moved the channels meanwhile: look again.
    """
    channels, _ = read_channels(storage)
    canary = channels.channels.get("canary")
    if canary is None or not canary.watched:
        return None
    # Only a canary needs it: pydantic costs a service half a second and 20 MB.
    from housing_ml.rollout import watch  # noqa: PLC0415
    from housing_ml.rollout.decision import WatchPolicy  # noqa: PLC0415

    found = watch.look(storage, WatchPolicy(when_open="abort"))
    if found is None or found.canary != canary:
        return None
    if found.decision.action == "promote":
        return str(watch.promote(storage, found))
    return str(watch.abort(storage, found)) if found.decision.action == "abort" else None
