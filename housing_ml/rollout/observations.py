"""What workers have seen of a canary, where it is kept, and the sum of it.

Each worker writes what it has counted since the probation began into a file of its own, as a whole:

    watch/<probation>/<worker>.json

so that no worker waits for another, and one that died still counts. The sum over the files is what
the watch decides on.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import reduce
from typing import TYPE_CHECKING

import msgspec

from housing_ml.rollout.counts import Observation
from housing_ml.storage.errors import ReleaseError

if TYPE_CHECKING:
    from housing_ml.releases.records import Channels
    from housing_ml.storage.versioned import ReleaseStorage

FOLDER = "watch"


def probation_name(channels: Channels) -> str | None:
    """Return the name of the probation that runs; None without a canary.

    Another champion or share makes another probation: its counts do not mix with the old ones.
    """
    canary, champion = channels.channels.get("canary"), channels.channels.get("champion")
    if canary is None or champion is None:
        return None
    return f"{canary.bundle[:16]}-{champion.bundle[:16]}-{canary.share or 0:g}"


def guard_name(channels: Channels, at: datetime) -> str | None:
    """Return the name of the guard over the champion; None when it is over, or there was none.

    The release before must still be there to compare with, and to go back to.
    """
    champion, previous = channels.channels.get("champion"), channels.channels.get("previous")
    if champion is None or previous is None or champion.replaced != previous.bundle:
        return None
    since = datetime.fromisoformat(champion.promoted_at)
    if at - since >= timedelta(hours=champion.guard_hours):
        return None
    return f"guard-{champion.bundle[:16]}-{previous.bundle[:16]}-{since:%Y%m%dT%H%M%S%f}"


def report(storage: ReleaseStorage, probation: str, worker: str, seen: Observation) -> None:
    """Write all that a worker has seen of a probation, replacing what it wrote before."""
    storage.write(f"{FOLDER}/{probation}/{worker}.json", msgspec.json.encode(seen))


def gather_observations(storage: ReleaseStorage, probation: str) -> Observation:
    """Return the sum of what all workers have seen.

    Raises:
        ReleaseError: when a worker's file is damaged.
    """
    found = (storage.read(name) for name in storage.names(f"{FOLDER}/{probation}"))
    try:
        seen = [msgspec.json.decode(item.content, type=Observation) for item in found if item]
    except msgspec.MsgspecError as error:
        raise ReleaseError(
            f"a worker's report on probation {probation} is damaged: {error}"
        ) from error
    return reduce(Observation.__add__, seen, Observation())
