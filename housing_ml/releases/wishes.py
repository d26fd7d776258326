"""A wish that is sent again, after a time-out say, is fulfilled once: its key is in the history."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from housing_ml.releases.channels import IDEMPOTENCY_KEY, fulfilled, read_release
from housing_ml.storage.errors import ReleaseError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from housing_ml.releases.records import Kind, Release
    from housing_ml.storage.versioned import ReleaseStorage


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
        return _done(storage, kind, by, key) or fulfil({IDEMPOTENCY_KEY: key})
    except ReleaseError:
        # the same wish may have been fulfilled since the look: by another try of its sender
        if done := _done(storage, kind, by, key):
            return done
        raise


def _done(storage: ReleaseStorage, kind: Kind, by: str, key: str) -> Release | None:
    found = fulfilled(storage, kind, by, key)
    if found is None:
        return None
    release = read_release(storage, found.version, found.bundle)
    return release and replace(release, promoted_at=found.at, promoted_by=found.by)
