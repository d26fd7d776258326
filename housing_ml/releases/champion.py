"""The champion channel: who holds it, and how another release takes it over in one step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from housing_ml.releases.channels import (
    arranged,
    fetch_bundle,
    find_release,
    move_channels,
    read_channels,
    record_release,
)
from housing_ml.releases.records import Event, event, now
from housing_ml.storage.errors import ReleaseError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from housing_ml.releases.records import Channels, Release
    from housing_ml.storage.versioned import ReleaseStorage


def is_champion(channels: Channels, digest: str) -> bool:
    """Whether the champion channel serves the bundle already."""
    champion = channels.channels.get("champion")
    return champion is not None and champion.bundle == digest


def may_be_promoted(channels: Channels, release: Release) -> bool:
    """Whether a person may make the release the champion that it is not."""
    is_free = release.bundle not in channels.withdrawn and not is_champion(channels, release.bundle)
    return is_free and (release.passed_gate or release.asks)


def take_over(
    storage: ReleaseStorage, channels: Channels, generation: int, new: Release, why: Event
) -> Release:
    """Make a published release the champion and the old one the previous; return the champion.

    A canary or shadow of the same bundle ends with it.

    Raises:
        ConflictError: when the channels are not of that generation any more.
        ReleaseError: when the bundle was withdrawn.
    """
    withdrawn = channels.withdrawn.get(new.bundle)
    if withdrawn is not None:
        raise ReleaseError(f"version {new.version} was rolled back: {withdrawn}")
    old = channels.channels.get("champion")
    champion = msgspec.structs.replace(
        new, share=None, watched=False, replaced=old.bundle if old else None
    )
    record_release(storage, champion)
    changes = {"champion": champion} | ({"previous": old} if old else {})
    move_channels(
        storage,
        lambda current: arranged(current, changes),
        if_generation=generation,
        event=why,
    )
    return champion


def promote_version(
    storage: ReleaseStorage,
    version: str,
    *,
    why: str,
    by: str,
    evidence: Mapping[str, Any] | None = None,
) -> Release:
    """Make a published release that passed the gate, or asks, the champion; a person's decision.

    Args:
        storage: where the releases are.
        version: or the start of the bundle's digest.
        why: for the history.
        by: who asks for it.
        evidence: what it rests on.

    Raises:
        ReleaseError: when there is no such release, it did not pass, or it was rolled back.
        ConflictError: when someone else moved the channels meanwhile.
    """
    channels, generation = read_channels(storage)
    release = find_release(storage, version)
    if is_champion(channels, release.bundle):
        return release
    if not release.passed_gate and not release.asks:
        raise ReleaseError(f"version {release.version} did not pass the gate: train a better one")
    fetch_bundle(storage, release.bundle)  # raises unless every file is there and undamaged
    new = msgspec.structs.replace(
        release, passed_gate=True, asks=False, promoted_at=now(), promoted_by=by, reason=why
    )
    promotion = event("promotion", new, why=why, by=by, evidence=evidence)
    return take_over(storage, channels, generation, new, promotion)
