"""Where the channels' models come from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

import stamina

from housing_ml.releases.channels import fetch_bundle, read_channels
from housing_ml.storage.errors import ReleaseError
from housing_ml.storage.versioned import LocalReleases, ReleaseStorage, Versioned
from serve.sources.deadline import Deadline
from serve.sources.seen import SeenChannels
from serve.telemetry.traces import step

if TYPE_CHECKING:
    from collections.abc import Callable

    from housing_ml.releases.records import Channels, Release
    from serve.settings import Settings
    from serve.sources.circuit_breaker import CircuitBreaker

_REQUEST_SECONDS = 5.0
"""What a request waits for a storage that hangs."""

T = TypeVar("T")


class Source(Protocol):
    """Something that knows which releases channels serve; its calls may fail or take long."""

    name: str

    def latest(self) -> Channels:
        """Return the release that each channel serves now."""
        ...

    def fetch(self, release: Release) -> dict[str, bytes]:
        """Return the files of its bundle, by name."""
        ...


class ReleaseChannels:
    """The channels of the release storage."""

    name = "release storage"

    def __init__(self, storage: ReleaseStorage, seen: SeenChannels) -> None:
        self._storage = storage
        self._seen = seen

    @stamina.retry(on=(OSError, ReleaseError), attempts=2, wait_initial=0.1)
    def latest(self) -> Channels:
        """Return the release that each channel serves now.

        Raises:
            ReleaseError: when the document is damaged, or not to be believed.
        """
        channels, generation = read_channels(self._storage)
        self._seen.check(channels, generation)
        return channels

    @stamina.retry(on=(OSError, ReleaseError), attempts=3, timeout=30.0, wait_initial=0.1)
    def fetch(self, release: Release) -> dict[str, bytes]:
        """Return the files of its bundle, by name, each checked against its digest."""
        return fetch_bundle(self._storage, release.bundle)


class GuardedStorage:
    """A release storage that requests wait for: while it fails or hangs, they are told so soon."""

    def __init__(self, storage: ReleaseStorage, breaker: CircuitBreaker) -> None:
        self._storage = storage
        self._breaker = breaker
        self._deadline = Deadline()

    def read(self, name: str) -> Versioned | None:
        """Return the object, or None when there is none."""
        return self._ask(lambda: self._storage.read(name))

    def write(self, name: str, content: bytes, *, if_generation: int | None = None) -> int:
        """Write all of it or nothing, and return the new generation."""
        return self._ask(lambda: self._storage.write(name, content, if_generation=if_generation))

    def delete(self, name: str) -> None:
        """Delete the object; one that is not there is no error."""
        self._ask(lambda: self._storage.delete(name))

    def names(self, folder: str) -> list[str]:
        """Return the names of the objects directly in a folder, sorted."""
        return self._ask(lambda: self._storage.names(folder))

    def folders(self, folder: str) -> list[str]:
        """Return the names of the folders directly in a folder, sorted."""
        return self._ask(lambda: self._storage.folders(folder))

    def _ask(self, function: Callable[[], T]) -> T:
        with step("storage"):
            return self._breaker.call(lambda: self._deadline.call(function, _REQUEST_SECONDS))


def open_storage(place: str) -> ReleaseStorage:
    """Return the release storage at `place`: a folder, or `gs://bucket/folder`."""
    if place.startswith("gs://"):
        from serve.sources.gcs import HttpBucket  # noqa: PLC0415 - an HTTP client, for who needs it

        return HttpBucket(place)
    return LocalReleases(Path(place))


def open_source(settings: Settings, storage: ReleaseStorage) -> Source:
    """Return the source that the settings name: MLflow's registry, or the storage's channels."""
    if settings.registry:
        from serve.sources.registry import RegistryAlias, credentials  # noqa: PLC0415 - see above

        return RegistryAlias(settings.registry, settings.channel, credentials(settings))
    file = settings.state / "channels-seen.json"
    return ReleaseChannels(storage, SeenChannels(file, settings.releases, settings.public_keys))
