"""The champion channel: who holds it, and how another release takes it over in one step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from housing_ml.releases import ReleaseError, move_channels, published

if TYPE_CHECKING:
    from housing_ml.releases import Channels, Event, Release, ReleaseStorage


def is_champion(channels: Channels, digest: str) -> bool:
    """Whether the champion channel serves the bundle already."""
    champion = channels.channels.get("champion")
    return champion is not None and champion.bundle == digest


def take_over(
    storage: ReleaseStorage, channels: Channels, generation: int, new: Release, event: Event
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
    champion = msgspec.structs.replace(new, share=None, replaced=old.bundle if old else None)
    published(storage, champion)
    moved = {"champion": champion} if old is None else {"champion": champion, "previous": old}
    move_channels(
        storage,
        lambda current: {**_without(current, champion.bundle), **moved},
        if_generation=generation,
        event=event,
    )
    return champion


def _without(channels: dict[str, Release], bundle: str) -> dict[str, Release]:
    trials = ("canary", "shadow")
    return {
        name: release
        for name, release in channels.items()
        if name not in trials or release.bundle != bundle
    }
