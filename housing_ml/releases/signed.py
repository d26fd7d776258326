"""Signed channels: what may be served where, and since when, so that nothing old can be put back.

The signature of a bundle says that a holder of the key published it once. That of the channels
names each channel, its version and bundle, and the document's sequence, which grows with every
change: whoever can write the storage, but has no key, can neither move a channel nor bring back an
older document unseen by a service that knows the newer one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from housing_ml.bundle.signing import SignatureError, sign_message, verify_message

if TYPE_CHECKING:
    from collections.abc import Sequence

    from housing_ml.releases.records import Channels
    from housing_ml.storage.versioned import ReleaseStorage, Versioned

_PURPOSE = b"housing-ml channels "


class SignedReleases:
    """A release storage of somebody who has a private key: channels that he moves are signed."""

    def __init__(self, storage: ReleaseStorage, private: str) -> None:
        self._storage = storage
        self._private = private

    def signed(self, channels: Channels) -> Channels:
        """Return the channels with their signature.

        Raises:
            SignatureError: when the key is none.
        """
        signature = sign_message(_statement(channels), self._private)
        return msgspec.structs.replace(channels, signature=signature)

    def read(self, name: str) -> Versioned | None:
        """Return the object, or None when there is none."""
        return self._storage.read(name)

    def write(self, name: str, content: bytes, *, if_generation: int | None = None) -> int:
        """Write all of it or nothing, and return the new generation."""
        return self._storage.write(name, content, if_generation=if_generation)

    def delete(self, name: str) -> None:
        """Delete the object; one that is not there is no error."""
        self._storage.delete(name)

    def names(self, folder: str) -> list[str]:
        """Return the names of the objects directly in a folder, sorted."""
        return self._storage.names(folder)

    def folders(self, folder: str) -> list[str]:
        """Return the names of the folders directly in a folder, sorted."""
        return self._storage.folders(folder)


def check_channels(channels: Channels, keys: Sequence[str]) -> None:
    """Check the channels' signature against public keys, one of which must have made it.

    Raises:
        SignatureError: when there is no signature, or none of the keys made it.
    """
    if channels.signature is None:
        raise SignatureError("the channels are not signed: move them with HOUSING_SIGNING_KEY set")
    if not verify_message(_statement(channels), channels.signature, keys):
        raise SignatureError(f"none of the {len(keys)} known keys signed the channels")


def signed_by(storage: ReleaseStorage, private: str | None) -> ReleaseStorage:
    """Return the storage of a holder of a private key; without one, the storage as it is."""
    return SignedReleases(storage, private) if private else storage


def _statement(channels: Channels) -> bytes:
    places = [
        (name, release.version, release.bundle, release.share)
        for name, release in sorted(channels.channels.items())
    ]
    return _PURPOSE + msgspec.json.encode((channels.sequence, places))
