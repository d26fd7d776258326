"""The release channels that the service follows: a small document beside the published bundles.

MLflow is the record; this is the signal. A promotion publishes the bundle's files, the manifest
last, and then moves the channel in one step under a precondition, so that a reader finds either
the old or the new model whole, and of two promoters one wins and the other is told.

Layout below the releases' root:

    channels.json                     which bundle each channel serves
    bundles/<digest>/<file>           published bundles, immutable
    history/<time>-<id>.json          one event each: who, when, why; never changed
"""

from __future__ import annotations

import fcntl
import hashlib
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, TypeAlias
from uuid import uuid4

import msgspec

from housing_ml.atomic import write_atomically
from housing_ml.manifest import BundleError, read_manifest, sha256

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from housing_ml.settings import Settings

CHANNELS = "channels.json"
MANIFEST = "manifest.json"

Channel: TypeAlias = Literal["champion", "previous", "challenger", "canary", "shadow"]


class ReleaseError(RuntimeError):
    """A release that cannot be read or published; the message says why."""


class ConflictError(ReleaseError):
    """Someone else changed the object first."""


class Versioned(NamedTuple):
    """An object's bytes and the generation that a conditional write must name."""

    content: bytes
    generation: int


class ReleaseStorage(Protocol):
    """Objects by name with conditional writes, as GCS has them; generation 0 is "not there"."""

    def read(self, name: str) -> Versioned | None:
        """Return the object, or None when there is none."""
        ...

    def write(self, name: str, content: bytes, *, if_generation: int | None = None) -> int:
        """Write all of it or nothing, and return the new generation.

        Raises:
            ConflictError: when the object's generation is not `if_generation`.
        """
        ...

    def names(self, folder: str) -> list[str]:
        """Return the names of the objects directly in a folder, sorted."""
        ...


class LocalReleases:
    """Releases in a local folder. An object's generation is drawn from its content."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def read(self, name: str) -> Versioned | None:
        """Return the file, or None when there is none."""
        try:
            content = (self.root / name).read_bytes()
        except FileNotFoundError:
            return None
        return Versioned(content, _generation(content))

    def write(self, name: str, content: bytes, *, if_generation: int | None = None) -> int:
        """Replace the file in one step, durably; see `ReleaseStorage.write`."""
        with self._lock():
            found = self.read(name)
            generation = found.generation if found else 0
            if if_generation is not None and generation != if_generation:
                raise ConflictError(f"{name} was changed by someone else: look again, then retry")
            write_atomically(self.root / name, content)
        return _generation(content)

    def names(self, folder: str) -> list[str]:
        """Return the names of the files in a folder, sorted."""
        try:
            entries = sorted(item.name for item in (self.root / folder).iterdir())
        except FileNotFoundError:
            return []
        return [f"{folder}/{entry}" for entry in entries if not entry.startswith(".")]

    @contextmanager
    def _lock(self) -> Iterator[None]:
        # The kernel frees the lock when its holder dies.
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / ".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def open_releases(settings: Settings) -> ReleaseStorage:
    """Return the releases of the configured place: local files below the home folder."""
    return LocalReleases(settings.releases_path)


class TrainingData(msgspec.Struct, frozen=True, kw_only=True):
    """Which rows a model was trained on."""

    digest: str
    rows: int
    synthetic: bool


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """A model that a channel serves."""

    version: str
    bundle: str
    """Digest of the published bundle."""
    model: str
    metrics: dict[str, float]
    """On the holdout: rmse and mae in dollars; r2, mape, wmape and coverage as fractions."""
    data: TrainingData
    replaced: str | None = None
    """Digest of the bundle that it took the channel from."""
    run_id: str | None = None
    promoted_at: str
    promoted_by: str
    reason: str


class Channels(msgspec.Struct, frozen=True, kw_only=True):
    """The document that services follow; `sequence` grows with every change."""

    sequence: int = 0
    updated_at: str = ""
    channels: dict[str, Release] = {}
    withdrawn: dict[str, str] = {}
    """Why bundles were rolled back, by digest: they are not promoted again by themselves."""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was decided about a model, for the append-only history."""

    kind: Literal["promotion", "rejection", "rollback"]
    version: str
    bundle: str
    at: str
    by: str
    reason: str
    run_id: str | None = None
    evidence: dict[str, Any] = {}


def now() -> str:
    """Return the time in UTC, ISO 8601 to the microsecond, which sorts as text."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


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
    manifest = _fetch(storage, digest, MANIFEST, digest)
    try:
        expected = read_manifest(manifest).files
    except BundleError as error:
        raise ReleaseError(f"bundle {digest[:12]}: {error}") from error
    files = {name: _fetch(storage, digest, name, sha) for name, sha in expected.items()}
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
        return msgspec.json.decode(found.content, type=Channels), found.generation
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ReleaseError(
            f"{CHANNELS} is damaged ({error}): promote again, or restore it from the history"
        ) from error


def move_channels(
    storage: ReleaseStorage,
    change: Callable[[dict[str, Release]], Mapping[str, Release]],
    *,
    if_generation: int,
) -> Channels:
    """Write the channels as `change` makes them of the current ones; all move in one step.

    Raises:
        ConflictError: when the document is not of the generation that the caller has seen.
    """
    current, generation = read_channels(storage)
    if generation != if_generation:
        raise ConflictError("the channels were moved by someone else: look again, then retry")
    moved = Channels(
        sequence=current.sequence + 1,
        updated_at=now(),
        channels=dict(change(dict(current.channels))),
        withdrawn=current.withdrawn,
    )
    content = msgspec.json.format(msgspec.json.encode(moved, order="deterministic"), indent=2)
    storage.write(CHANNELS, content, if_generation=if_generation)
    return moved


def record(storage: ReleaseStorage, event: Event) -> None:
    """Append an event to the history."""
    stamp = event.at.replace(":", "").replace("+0000", "Z")
    storage.write(
        f"history/{stamp}-{uuid4().hex[:8]}.json", msgspec.json.encode(event), if_generation=0
    )


def history(storage: ReleaseStorage) -> list[Event]:
    """Return all events, the oldest first."""
    found = (storage.read(name) for name in storage.names("history"))
    return [msgspec.json.decode(item.content, type=Event) for item in found if item]


def _fetch(storage: ReleaseStorage, digest: str, name: str, expected: str) -> bytes:
    found = storage.read(f"bundles/{digest}/{name}")
    if found is None:
        raise ReleaseError(f"bundle {digest[:12]}: {name} was never published, or was deleted")
    if sha256(found.content) != expected:
        raise ReleaseError(f"bundle {digest[:12]}: {name} is damaged: publish it again")
    return found.content


def _generation(content: bytes) -> int:
    return int.from_bytes(hashlib.sha256(content).digest()[:7]) + 1
