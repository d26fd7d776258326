"""The model versions that the log names: their reference statistics, and what was expected."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import msgspec

from housing_ml.bundle.familiarity import Familiarity
from housing_ml.bundle.manifest import MANIFEST, BundleError, read_manifest
from housing_ml.bundle.model import FEATURES
from housing_ml.bundle.reference import REFERENCE, Reference, read_reference
from housing_ml.monitoring.known_rows import KnownRows
from housing_ml.monitoring.performance import Expected
from housing_ml.releases.channels import history, read_channels

if TYPE_CHECKING:
    from collections.abc import Callable

    from housing_ml.bundle.manifest import Manifest
    from housing_ml.releases.records import Release
    from housing_ml.storage.versioned import ReleaseStorage

T = TypeVar("T")


class Champion(NamedTuple):
    """The model in service."""

    version: str
    bundle: str
    promoted_at: datetime
    expected: Expected | None
    """None where the release does not say."""


class Models:
    """Bundles and references by version, read when they are first asked for."""

    def __init__(self, storage: ReleaseStorage) -> None:
        self._storage = storage
        channels, _ = read_channels(storage)
        events = history(storage)
        self.champion = _champion(channels.channels.get("champion"))
        self.retrains = tuple(
            datetime.fromisoformat(event.at)
            for event in events
            if event.kind in {"promotion", "rejection"}
        )
        releases = channels.channels.values()
        self._bundles = {event.version: event.bundle for event in events} | {
            release.version: release.bundle for release in releases
        }
        self._references: dict[str, Reference | None] = {}
        self._known_rows: dict[str, KnownRows | None] = {}
        self._familiarity: dict[str, Familiarity | None] = {}
        self._manifests: dict[str, Manifest | None] = {}

    def bundle(self, version: str) -> str:
        """Return the digest of a version's bundle; empty when no release names the version."""
        return self._bundles.get(version, "")

    def reference(self, bundle: str) -> Reference | None:
        """Return the training statistics of a bundle; None when it has none that can be read."""
        if bundle not in self._references:
            self._references[bundle] = self._decode(bundle, REFERENCE, read_reference)
        return self._references[bundle]

    def known_rows(self, bundle: str) -> KnownRows | None:
        """Return the rows that a bundle was trained on; None where it does not say."""
        if bundle not in self._known_rows:
            self._known_rows[bundle] = self._decode(bundle, FEATURES, KnownRows)
        return self._known_rows[bundle]

    def familiarity(self, bundle: str) -> Familiarity | None:
        """Return what a bundle's training rows are like; None where it does not say."""
        if bundle not in self._familiarity:
            self._familiarity[bundle] = self._decode(bundle, FEATURES, Familiarity.of_features)
        return self._familiarity[bundle]

    def manifest(self, bundle: str) -> Manifest | None:
        """Return a bundle's manifest; None when it has none that can be read."""
        if bundle not in self._manifests:
            self._manifests[bundle] = self._decode(bundle, MANIFEST, read_manifest)
        return self._manifests[bundle]

    def _decode(self, bundle: str, name: str, decode: Callable[[bytes], T]) -> T | None:
        found = self._storage.read(f"bundles/{bundle}/{name}") if bundle else None
        if found is None:
            return None
        try:
            return decode(found.content)
        except (BundleError, ValueError, msgspec.MsgspecError):
            return None


def _champion(release: Release | None) -> Champion | None:
    if release is None:
        return None
    shown = {name: release.metrics.get(name) for name in ("wmape", "coverage")}
    expected = None if None in shown.values() else Expected.model_validate(shown)
    moment = datetime.fromisoformat(release.promoted_at)
    return Champion(release.version, release.bundle, moment, expected)
