"""Back to an older release, in the time of one small write; MLflow's aliases follow later.

The bundle that is taken out of service is withdrawn: the next retrain, which may find the very
same model in its cache, does not promote it again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from housing_ml.releases.channels import (
    arranged,
    fetch_bundle,
    find_release,
    move_channels,
    read_channels,
)
from housing_ml.releases.records import event, now
from housing_ml.releases.wishes import once
from housing_ml.storage.errors import ConflictError, ReleaseError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from housing_ml.releases.records import Channels, Release
    from housing_ml.storage.versioned import ReleaseStorage


def roll_back(  # noqa: PLR0913 - what a person decides, or the guard
    storage: ReleaseStorage,
    to: str | None = None,
    *,
    why: str,
    by: str,
    key: str | None = None,
    bundle: str | None = None,
) -> Release:
    """Put an older release back into service, and return it.

    A canary ends too: after a roll back every request gets the same answer. Done twice, it goes
    back by two releases, unless both have the same `key`.

    Args:
        storage: where the releases are.
        to: version or start of the digest; empty: what the champion took the place of.
        why: for the history.
        by: who asks for it.
        key: names this wish; one that was fulfilled before is not fulfilled twice.
        bundle: take this champion out of service only; whichever it is if empty.

    Raises:
        ReleaseError: when there is nothing to go back to, or its bundle is damaged.
        ConflictError: when someone else moved the channels meanwhile.
    """
    found = once(
        storage,
        "rollback",
        by,
        key,
        lambda evidence: _roll_back(storage, to, why, by, evidence, bundle),
    )
    if found is None:
        raise ReleaseError("the release that was put back then is no longer known")
    return found


def _roll_back(  # noqa: PLR0913, PLR0917 - of the function above
    storage: ReleaseStorage,
    to: str | None,
    why: str,
    by: str,
    evidence: Mapping[str, str],
    bundle: str | None,
) -> Release:
    channels, generation = read_channels(storage)
    champion = channels.channels.get("champion")
    if champion is None:
        raise ReleaseError("there is no champion that could be rolled back")
    if bundle not in {None, champion.bundle}:
        raise ConflictError("another model became champion meanwhile")
    target = _target(storage, channels, champion, to)
    fetch_bundle(storage, target.bundle)  # raises unless every file of it is there and undamaged
    restored = msgspec.structs.replace(
        target,
        share=None,
        watched=False,
        guard_hours=0.0,
        promoted_at=now(),
        promoted_by=by,
        reason=f"rolled back to: {why}",
    )
    before = _before(storage, channels, restored)
    move_channels(
        storage,
        lambda current: arranged(
            current, {"champion": restored, "previous": before, "canary": None}
        ),
        if_generation=generation,
        event=event(
            "rollback",
            restored,
            why=why,
            by=by,
            evidence={
                "from_version": champion.version,
                "from_bundle": champion.bundle,
                **evidence,
            },
        ),
        withdrawn={**_others(channels.withdrawn, restored.bundle), champion.bundle: why},
    )
    return restored


def _target(
    storage: ReleaseStorage, channels: Channels, champion: Release, to: str | None
) -> Release:
    target = find_release(storage, to) if to else channels.channels.get("previous")
    if target is None:
        raise ReleaseError("there is no previous release: name a version to go back to")
    if target.bundle == champion.bundle:
        raise ReleaseError(f"version {target.version} is the champion already")
    if not target.passed_gate:
        raise ReleaseError(
            f"version {target.version} did not pass the gate: name one that did; "
            "to watch this one, start a shadow with it"
        )
    return target


def _before(storage: ReleaseStorage, channels: Channels, release: Release) -> Release | None:
    """Return what the release itself took the place of, for the next roll back."""
    if release.replaced is None or release.replaced in channels.withdrawn:
        return None
    try:
        return find_release(storage, release.replaced)
    except ReleaseError:
        return None


def _others(withdrawn: dict[str, str], bundle: str) -> dict[str, str]:
    return {digest: why for digest, why in withdrawn.items() if digest != bundle}
