"""The champion channel: who holds it, and how another release takes it over in one step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from housing_ml.orchestration.code_state import code_state
from housing_ml.records.gate import Baseline, Circumstances
from housing_ml.releases.channels import (
    fetch_bundle,
    find_release,
    move_channels,
    published,
    read_channels,
)
from housing_ml.releases.records import Event, now
from housing_ml.storage.errors import ReleaseError

if TYPE_CHECKING:
    from housing_ml.config.gate import GateConfig
    from housing_ml.releases.records import Channels


if TYPE_CHECKING:
    from housing_ml.releases.records import Channels, Release
    from housing_ml.storage.versioned import ReleaseStorage


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


def promote_version(storage: ReleaseStorage, version: str, *, why: str, by: str) -> Release:
    """Make a published release that passed the gate the champion; a person's decision.

    Raises:
        ReleaseError: when there is no such release, it did not pass, or it was rolled back.
        ConflictError: when someone else moved the channels meanwhile.
    """
    channels, generation = read_channels(storage)
    release = find_release(storage, version)
    if is_champion(channels, release.bundle):
        return release
    if not release.passed_gate:
        raise ReleaseError(f"version {release.version} did not pass the gate: train a better one")
    fetch_bundle(storage, release.bundle)  # raises unless every file is there and undamaged
    new = msgspec.structs.replace(release, promoted_at=now(), promoted_by=by, reason=why)
    event = Event(
        kind="promotion",
        version=new.version,
        bundle=new.bundle,
        at=now(),
        by=by,
        reason=why,
        run_id=new.run_id,
    )
    return take_over(storage, channels, generation, new, event)


def _without(channels: dict[str, Release], bundle: str) -> dict[str, Release]:
    trials = ("canary", "shadow")
    return {
        name: release
        for name, release in channels.items()
        if name not in trials or release.bundle != bundle
    }


def baseline(channels: Channels, digest: str) -> Baseline | None:
    """Return the model that a bundle has to beat: the champion.

    For the champion itself it is the model that it took the place of, so that the gate's decision
    on it is found again and not made anew.
    """
    to_beat = channels.channels.get("champion")
    if to_beat is not None and to_beat.bundle == digest:
        previous = channels.channels.get("previous")
        replaced = to_beat.replaced
        to_beat = previous if previous is not None and previous.bundle == replaced else None
    if to_beat is None:
        return None
    return Baseline(
        version=to_beat.version, bundle=to_beat.bundle, synthetic=to_beat.data.synthetic
    )


def circumstances(channels: Channels, digest: str, config: GateConfig) -> Circumstances:
    """Return what the gate has to know of a bundle beside the bundle itself."""
    return Circumstances(
        baseline=baseline(channels, digest),
        withdrawn=channels.withdrawn.get(digest),
        code=code_state() if config.require_committed_code else None,
    )
