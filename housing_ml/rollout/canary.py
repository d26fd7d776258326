"""Probations of a release beside the champion.

A canary answers a share of the requests. A shadow is asked everything and answers nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import msgspec

from housing_ml.releases.champion import is_champion, take_over
from housing_ml.releases.channels import (
    arranged,
    fetch_bundle,
    find_release,
    move_channels,
    read_channels,
)
from housing_ml.releases.records import event, now
from housing_ml.storage.errors import ReleaseError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from housing_ml.releases.records import Channels, Kind, Release
    from housing_ml.storage.versioned import ReleaseStorage

Probation: TypeAlias = Literal["canary", "shadow"]

_STARTED: dict[Probation, Kind] = {"canary": "canary started", "shadow": "shadow started"}
STOPPED: dict[Probation, Kind] = {"canary": "canary stopped", "shadow": "shadow stopped"}


def start_canary(  # noqa: PLR0913 - what a person decides, or the loop
    storage: ReleaseStorage,
    version: str,
    share: float,
    *,
    why: str,
    by: str,
    watched: bool = False,
) -> Release:
    """Let a published release answer a share of the requests; return it.

    A canary of the same release gets the new share.

    Args:
        storage: where the releases are.
        version: version or start of the digest.
        share: of the requests, between 0 and 1.
        why: for the history.
        by: who asks for it.
        watched: let the services promote or abort it.

    Raises:
        ReleaseError: when there is no such release, it did not pass the gate or was rolled back.
        ConflictError: when someone else moved the channels meanwhile.
    """
    if not 0 < share < 1:
        raise ReleaseError(f"a canary's share lies between 0 and 1, such as 0.1, and not {share}")
    channels, generation = read_channels(storage)
    release = find_release(storage, version)
    if not release.passed_gate:
        raise ReleaseError(f"version {release.version} did not pass the gate: start a shadow")
    if release.bundle in channels.withdrawn:
        reason = channels.withdrawn[release.bundle]
        raise ReleaseError(f"version {release.version} was rolled back: {reason}")
    release = msgspec.structs.replace(
        release, share=share, watched=watched, promoted_at=now(), promoted_by=by, reason=why
    )
    return _start(storage, channels, generation, "canary", release, why, by)


def start_shadow(storage: ReleaseStorage, version: str, *, why: str, by: str) -> Release:
    """Let a published release see all requests and answer none; return it.

    Raises:
        ReleaseError: when there is no such release.
        ConflictError: when someone else moved the channels meanwhile.
    """
    channels, generation = read_channels(storage)
    release = msgspec.structs.replace(
        find_release(storage, version), share=None, promoted_at=now(), promoted_by=by, reason=why
    )
    return _start(storage, channels, generation, "shadow", release, why, by)


def stop(  # noqa: PLR0913 - a person names some, the watch the others
    storage: ReleaseStorage,
    probation: Probation,
    *,
    why: str,
    by: str,
    withdraw: bool = False,
    bundle: str | None = None,
    evidence: Mapping[str, Any] | None = None,
) -> Release | None:
    """End a probation and return its release; None when there is none any more.

    Args:
        storage: where the releases are.
        probation: which.
        why: for the history.
        by: who asks for it.
        withdraw: keep the bundle from being promoted by itself.
        bundle: end the probation of this one only; whichever runs if empty.
        evidence: what it rests on.

    Raises:
        ConflictError: when someone else moved the channels meanwhile.
    """
    channels, generation = read_channels(storage)
    release = channels.channels.get(probation)
    if release is None or bundle not in {None, release.bundle}:
        return None
    move_channels(
        storage,
        lambda current: arranged(current, {probation: None}),
        if_generation=generation,
        event=event(STOPPED[probation], release, why=why, by=by, evidence=evidence),
        withdrawn={**channels.withdrawn, release.bundle: why} if withdraw else None,
    )
    return release


def promote_canary(
    storage: ReleaseStorage,
    *,
    why: str,
    by: str,
    bundle: str | None = None,
    evidence: Mapping[str, Any] | None = None,
) -> Release:
    """Make the canary the champion, and return it.

    Args:
        storage: where the releases are.
        why: for the history.
        by: who asks for it.
        bundle: promote this one only; whichever runs if empty.
        evidence: what it rests on.

    Raises:
        ReleaseError: when there is no such canary.
        ConflictError: when someone else moved the channels meanwhile.
    """
    channels, generation = read_channels(storage)
    canary = channels.channels.get("canary")
    if canary is None or bundle not in {None, canary.bundle}:
        raise ReleaseError("there is no canary that could be promoted")
    new = msgspec.structs.replace(canary, promoted_at=now(), promoted_by=by, reason=why)
    promotion = event("promotion", new, why=why, by=by, evidence=evidence)
    return take_over(storage, channels, generation, new, promotion)


def _start(  # noqa: PLR0913, PLR0917 - of the functions above
    storage: ReleaseStorage,
    channels: Channels,
    generation: int,
    probation: Probation,
    release: Release,
    why: str,
    by: str,
) -> Release:
    if "champion" not in channels.channels:
        raise ReleaseError(f"a {probation} needs a champion beside it, and there is none")
    if is_champion(channels, release.bundle):
        raise ReleaseError(f"version {release.version} is the champion")
    fetch_bundle(storage, release.bundle)  # raises unless every file is there and undamaged
    move_channels(
        storage,
        lambda current: arranged(current, {probation: release}),
        if_generation=generation,
        event=event(
            _STARTED[probation], release, why=why, by=by, evidence={"share": release.share}
        ),
    )
    return release
