"""A model that may answer: its bundle has proved itself, and its release says what it is for."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from housing_ml.bundle.manifest import BundleError
from housing_ml.bundle.model import Bundle
from housing_ml.bundle.signing import verify
from housing_ml.releases.records import Channels, Release
from housing_ml.releases.signed import check_channels
from serve.schemas import ModelResponse

if TYPE_CHECKING:
    from collections.abc import Sequence

_REJECTED_SECONDS = (5.0, 60.0)
"""A rejected release is tried again after the first pause, which doubles up to the second."""


class LoadedModel(msgspec.Struct, frozen=True):
    """A bundle that has proved itself, and the release that it is of."""

    bundle: Bundle
    release: Release
    channel: str
    loaded_at: str
    loaded_from: str

    @classmethod
    def now(cls, bundle: Bundle, release: Release, channel: str, source: str) -> LoadedModel:
        """Return a model that is loaded at this moment."""
        moment = datetime.now(UTC).isoformat(timespec="milliseconds")
        return cls(bundle, release, channel, moment, source)

    @property
    def version(self) -> str:
        """The registry's version."""
        return self.release.version

    def note(self, said: str) -> str:
        """Add to what is said of the model that other feature code made it, where it did."""
        return "; ".join(filter(None, (said, self.bundle.other_code)))

    def describe(self) -> ModelResponse:
        """Return what the API tells of it."""
        manifest = self.bundle.manifest
        return ModelResponse(
            model_version=self.version,
            channel=self.channel,
            bundle_digest=self.release.bundle,
            metrics=self.release.metrics,
            data_digest=manifest.provenance.data_digest,
            synthetic=manifest.provenance.synthetic,
            feature_fingerprint=manifest.feature_fingerprint,
            loaded_at=self.loaded_at,
            loaded_from=self.loaded_from,
        )


class Rejected:
    """The release of a channel that failed to prove itself, and when to try it again."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget it."""
        self.error: str | None = None
        self._release: Release | None = None
        self._tries = 0
        self._next_try = 0.0

    def add(self, release: Release, error: str) -> None:
        """Note why it failed."""
        self._tries = self._tries + 1 if release == self._release else 1
        self._release = release
        self.error = f"version {release.version} was rejected: {error}"
        first, longest = _REJECTED_SECONDS
        self._next_try = time.monotonic() + min(longest, first * 2 ** (self._tries - 1))

    def waits(self, release: Release) -> bool:
        """Whether it is too soon to try this release again."""
        return release == self._release and time.monotonic() < self._next_try


def proven(files: dict[str, bytes], release: Release, *, same_code: bool = False) -> Bundle:
    """Return the release's bundle after every check, with each of its paths used once.

    With `same_code`, one that other feature code made is refused.

    Raises:
        BundleError: when it is not what was released, or does not compute what training did.
    """
    bundle = Bundle(files, same_code=same_code)
    if bundle.digest != release.bundle:
        raise BundleError(f"the bundle is {bundle.digest}, not {release.bundle}")
    golden = bundle.golden.raw
    bundle.predict_matrix(golden[:1])
    bundle.predict_matrix(golden.repeat(-(-512 // len(golden)), axis=0))
    bundle.warnings_for(golden[:1])
    return bundle


def check_signature(
    release: Release, channel: str, document: Channels | None, keys: Sequence[str]
) -> None:
    """Check that whoever has a private key put the release into the channel.

    The signature of the channels says so. Where they have none, since they were written before
    channels were signed, or come from MLflow, that of the bundle has to do.

    Raises:
        BundleError: when there are keys and none of them signed either.
    """
    if not keys:
        return
    if document and document.signature and document.channels.get(channel) == release:
        check_channels(document, keys)
    else:
        verify(release.bundle, release.signature, keys)
