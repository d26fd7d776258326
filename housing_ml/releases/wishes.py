"""A wish that is sent again, after a time-out say, is fulfilled once: its key is in the history."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from housing_ml.releases.channels import read_release, recent_history
from housing_ml.storage.errors import ConflictError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from housing_ml.releases.records import Kind, Release
    from housing_ml.storage.versioned import ReleaseStorage

_KEY = "idempotency_key"
_RECENT = 10
"""So many of the latest decisions are searched for one that is asked for again."""


def once(
    storage: ReleaseStorage,
    kind: Kind,
    by: str,
    key: str | None,
    fulfil: Callable[[Mapping[str, str]], Release | None],
) -> Release | None:
    """Return what `fulfil` returns, or the release of the same wish that was fulfilled before.

    Args:
        storage: where the releases are.
        kind: of the decision.
        by: who asks for it.
        key: names the wish; without one it is fulfilled each time.
        fulfil: gets what the event's evidence is to hold.

    Raises:
        ConflictError: when someone else moved the channels meanwhile, for another wish.
    """
    if key is None:
        return fulfil({})
    try:
        return _done(storage, kind, by, key) or fulfil({_KEY: key})
    except ConflictError:
        if done := _done(storage, kind, by, key):
            return done
        raise


def _done(storage: ReleaseStorage, kind: Kind, by: str, key: str) -> Release | None:
    for found in recent_history(storage, _RECENT):
        if found.kind == kind and found.by == by and found.evidence.get(_KEY) == key:
            release = read_release(storage, found.version, found.bundle)
            return release and replace(release, promoted_at=found.at, promoted_by=found.by)
    return None
