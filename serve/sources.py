"""Where the channels' models come from."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import stamina

from housing_ml.releases import (
    Channels,
    LocalReleases,
    Release,
    ReleaseError,
    ReleaseStorage,
    fetch_bundle,
    read_channels,
)


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

    def __init__(self, storage: ReleaseStorage) -> None:
        self._storage = storage

    @stamina.retry(on=(OSError, ReleaseError), attempts=2, wait_initial=0.1)
    def latest(self) -> Channels:
        """Return the release that each channel serves now."""
        channels, _ = read_channels(self._storage)
        return channels

    @stamina.retry(on=(OSError, ReleaseError), attempts=3, timeout=30.0, wait_initial=0.1)
    def fetch(self, release: Release) -> dict[str, bytes]:
        """Return the files of its bundle, by name, each checked against its digest."""
        return fetch_bundle(self._storage, release.bundle)


def open_storage(place: str) -> ReleaseStorage:
    """Return the release storage at `place`: a folder."""
    return LocalReleases(Path(place))
