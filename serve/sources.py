"""Where a channel's model comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import stamina

from housing_ml.releases import (
    LocalReleases,
    Release,
    ReleaseError,
    ReleaseStorage,
    fetch_bundle,
    read_channels,
)


class Source(Protocol):
    """Something that knows which release a channel serves; its calls may fail or take long."""

    name: str

    def latest(self) -> Release | None:
        """Return the release that the channel serves now; None when there is none."""
        ...

    def fetch(self, release: Release) -> dict[str, bytes]:
        """Return the files of its bundle, by name."""
        ...


class ReleaseChannel:
    """A channel of the release storage."""

    name = "release storage"

    def __init__(self, storage: ReleaseStorage, channel: str) -> None:
        self._storage = storage
        self._channel = channel

    @stamina.retry(on=(OSError, ReleaseError), attempts=2, wait_initial=0.1)
    def latest(self) -> Release | None:
        """Return the release that the channel serves now; None when there is none."""
        channels, _ = read_channels(self._storage)
        return channels.channels.get(self._channel)

    @stamina.retry(on=(OSError, ReleaseError), attempts=3, timeout=30.0, wait_initial=0.1)
    def fetch(self, release: Release) -> dict[str, bytes]:
        """Return the files of its bundle, by name, each checked against its digest."""
        return fetch_bundle(self._storage, release.bundle)


def open_storage(place: str) -> ReleaseStorage:
    """Return the release storage at `place`: a folder."""
    return LocalReleases(Path(place))
