"""The release channels that the service follows: a small document beside the published bundles.

MLflow is the record; this is the signal. A promotion publishes the bundle's files, the manifest
last, and then moves the channel in one step under a precondition, so that a reader finds either
the old or the new model whole, and of two promoters one wins and the other is told.

Layout below the releases' root:

    channels.json                     which bundle each channel serves
    bundles/<digest>/<file>           published bundles, immutable
    versions/<version>-<digest>.json  every published release, as it was last put into service
    history/<time>-<id>.json          one event each: who, when, why; never changed
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import msgspec

from housing_ml.bundle.manifest import (
    MANIFEST,
    BundleError,
    newer_format,
    read_manifest,
    sha256,
)
from housing_ml.releases.records import Channels, Event, Release, decode, now
from housing_ml.releases.signed import SignedReleases, signed_by
from housing_ml.storage.errors import ConflictError, ReleaseError
from housing_ml.storage.locate import storage_place
from housing_ml.storage.versioned import LocalReleases, ReleaseStorage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from housing_ml.releases.records import Kind
    from housing_ml.settings import Settings


CHANNELS = "channels.json"

IDEMPOTENCY_KEY = "idempotency_key"
"""In an event's evidence: what names the wish that it fulfilled."""

_RECENT = 10
"""So many of the latest decisions are searched for one that is asked for again."""


def open_releases(settings: Settings) -> ReleaseStorage:
    """Return the releases where the settings say: in a bucket, or in the home folder.

    Channels that are moved there are signed, where the settings have a key.
    """
    place, key = storage_place(settings), settings.signing_key
    found = (
        LocalReleases(place / "releases") if isinstance(place, Path) else place.below("releases")
    )
    return signed_by(found, key.get_secret_value() if key else None)


def publish_bundle(storage: ReleaseStorage, digest: str, files: Mapping[str, bytes]) -> None:
    """Publish a bundle's files, the manifest last; one that is there already is left alone.

    Raises:
        ReleaseError: when `digest` is not that of the manifest.
    """
    if sha256(files[MANIFEST]) != digest:
        raise ReleaseError(f"bundle {digest[:12]}: its manifest has another digest")
    folder = f"bundles/{digest}"
    for name in sorted(files, key=lambda name: name == MANIFEST):
        found = storage.read(f"{folder}/{name}")
        if found is None or found.content != files[name]:
            storage.write(f"{folder}/{name}", files[name])


def fetch_bundle(storage: ReleaseStorage, digest: str) -> dict[str, bytes]:
    """Return a published bundle's files by name, each checked against its digest.

    Raises:
        ReleaseError: when a file is missing or damaged.
    """

    def read(name: str) -> bytes | None:
        found = storage.read(f"bundles/{digest}/{name}")
        return found.content if found else None

    return collect_bundle(read, digest)


def collect_bundle(read: Callable[[str], bytes | None], digest: str) -> dict[str, bytes]:
    """Return a bundle's files by name, as `read` gives them, each checked against its digest.

    Raises:
        ReleaseError: when a file is missing or damaged.
    """
    found = read(MANIFEST)
    if refusal := newer_format(found or b""):
        raise ReleaseError(f"bundle {digest[:12]}: {refusal}")
    manifest = _checked(digest, MANIFEST, found, digest)
    try:
        expected = read_manifest(manifest).files
    except BundleError as error:
        raise ReleaseError(f"bundle {digest[:12]}: {error}") from error
    files = {name: _checked(digest, name, read(name), sha) for name, sha in expected.items()}
    return {MANIFEST: manifest, **files}


def read_channels(storage: ReleaseStorage) -> tuple[Channels, int]:
    """Return the channels and the document's generation; no channels and 0 before the first.

    Raises:
        ReleaseError: when the document is damaged.
    """
    found = storage.read(CHANNELS)
    if found is None:
        return Channels(), 0
    try:
        return decode(CHANNELS, found.content, Channels), found.generation
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ReleaseError(
            f"{CHANNELS} is damaged ({error}): promote again, or restore it from the history"
        ) from error


def move_channels(
    storage: ReleaseStorage,
    change: Callable[[dict[str, Release]], Mapping[str, Release]],
    *,
    if_generation: int,
    event: Event | None = None,
    withdrawn: Mapping[str, str] | None = None,
) -> Channels:
    """Write the channels as `change` makes them of the current ones; all move in one step.

    Args:
        storage: where the releases are.
        change: maps the releases by channel to the new ones.
        if_generation: of the document that the caller has seen.
        event: why, for the history. It is part of the document, so that a crash does not lose it.
        withdrawn: the bundles withdrawn from now on; the same as before if empty.

    Raises:
        ConflictError: when the document is not of the generation that the caller has seen, or what
            the event's key names was fulfilled before.
        ReleaseError: when it is signed, and `storage` has no key to sign the next.
    """
    current, generation = read_channels(storage)
    if generation != if_generation:
        raise ConflictError("the channels were moved by someone else: look again, then retry")
    if event and fulfilled(storage, event.kind, event.by, event.evidence.get(IDEMPOTENCY_KEY)):
        raise ConflictError("this wish was fulfilled before")
    _settle(storage, current)
    moved = Channels(
        sequence=current.sequence + 1,
        updated_at=now(),
        channels=dict(change(dict(current.channels))),
        withdrawn=dict(current.withdrawn if withdrawn is None else withdrawn),
        event=event,
    )
    if isinstance(storage, SignedReleases):
        moved = storage.signed(moved)
    elif current.signature is not None:
        raise ReleaseError("the channels are signed: set HOUSING_SIGNING_KEY to move them")
    content = msgspec.json.format(msgspec.json.encode(moved, order="deterministic"), indent=2)
    storage.write(CHANNELS, content, if_generation=if_generation)
    _settle(storage, moved)
    return moved


def arranged(
    current: Mapping[str, Release], changes: Mapping[str, Release | None]
) -> dict[str, Release]:
    """Return the channels after `changes`, where None empties one: who stays is decided here alone.

    Whatever changes, the champion stands in no other channel: a canary or a shadow of it has ended,
    and it is not its own predecessor.
    """
    moved = {**current, **changes}
    champion = moved.get("champion")
    return {
        name: release
        for name, release in moved.items()
        if release is not None
        and (name == "champion" or champion is None or release.bundle != champion.bundle)
    }


def record_event(storage: ReleaseStorage, event: Event) -> None:
    """Append an event that moves no channel to the history."""
    storage.write(_event_name(event, uuid4().hex[:8]), msgspec.json.encode(event), if_generation=0)


def settle(storage: ReleaseStorage) -> None:
    """Write into the history what a crash after the last move has kept from it."""
    _settle(storage, read_channels(storage)[0])


def history(storage: ReleaseStorage) -> list[Event]:
    """Return all events, the oldest first."""
    return recent_history(storage)


def recent_history(storage: ReleaseStorage, most: int = 0) -> list[Event]:
    """Return the latest events, the oldest first: at most so many from the history, 0 for all."""
    channels, _ = read_channels(storage)
    found = ((name, storage.read(name)) for name in storage.names("history")[-most:])
    events = [decode(name, item.content, Event) for name, item in found if item]
    last = channels.event
    return [*events, last] if last and last not in events else events


def fulfilled(storage: ReleaseStorage, kind: Kind, by: str, key: str | None) -> Event | None:
    """Return the event of a wish that was fulfilled before; None for one without a key."""
    if key is None:
        return None
    for found in recent_history(storage, _RECENT):
        if found.kind == kind and found.by == by and found.evidence.get(IDEMPOTENCY_KEY) == key:
            return found
    return None


def record_release(storage: ReleaseStorage, release: Release) -> None:
    """Note a published release, so that a rollback or a comparison finds it."""
    storage.write(_release_name(release), msgspec.json.encode(release))


def is_published(storage: ReleaseStorage, release: Release) -> bool:
    """Whether the release was noted before."""
    return storage.read(_release_name(release)) is not None


def read_release(storage: ReleaseStorage, version: str, bundle: str) -> Release | None:
    """Return what was published as that version with that bundle; None where nothing was."""
    name = f"versions/{version}-{bundle}.json"
    found = storage.read(name)
    return decode(name, found.content, Release) if found else None


def find_release(storage: ReleaseStorage, name: str) -> Release:
    """Return a published release by its channel, its version, or the start of its digest.

    Raises:
        ReleaseError: when there is none, or more than one.
    """
    channels, _ = read_channels(storage)
    if name in channels.channels:
        return channels.channels[name]
    known = [item.removeprefix("versions/") for item in storage.names("versions")]
    exact = [item for item in known if item.rpartition("-")[0] == name]
    found = exact or [item for item in known if item.rpartition("-")[2].startswith(name)]
    if len(found) != 1:
        versions = ", ".join(item.rpartition("-")[0] for item in known) or "none"
        count = f"names {len(found)} published versions" if found else "names no published version"
        raise ReleaseError(f"{name} {count}: give a digest, or a version of {versions}")
    content = storage.read(f"versions/{found[0]}")
    if content is None:
        raise ReleaseError(f"{name} was deleted while it was looked for")
    return decode(f"versions/{found[0]}", content.content, Release)


def _release_name(release: Release) -> str:
    return f"versions/{release.version}-{release.bundle}.json"


def _settle(storage: ReleaseStorage, channels: Channels) -> None:
    if channels.event is None:
        return
    name = _event_name(channels.event, f"{channels.sequence:08d}")
    if storage.read(name) is None:
        storage.write(name, msgspec.json.encode(channels.event))


def _event_name(event: Event, suffix: str) -> str:
    stamp = event.at.replace(":", "").replace("+0000", "Z")
    return f"history/{stamp}-{suffix}.json"


def _checked(digest: str, name: str, content: bytes | None, expected: str) -> bytes:
    if content is None:
        raise ReleaseError(f"bundle {digest[:12]}: {name} was never published, or was deleted")
    if sha256(content) != expected:
        raise ReleaseError(f"bundle {digest[:12]}: {name} is damaged: publish it again")
    return content
