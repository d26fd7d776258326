"""Which releases other feature code has made, and whether they prove themselves here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from housing_ml.bundle.manifest import MANIFEST, BundleError, read_manifest
from housing_ml.fingerprint import feature_fingerprint
from housing_ml.releases.channels import fetch_bundle
from housing_ml.storage.errors import ReleaseError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from housing_ml.releases.records import Release
    from housing_ml.storage.versioned import ReleaseStorage


def feature_code_notes(
    storage: ReleaseStorage, channels: Mapping[str, Release], *, same_code: bool
) -> dict[str, str]:
    """Return what is to be said of the channels' bundles that other feature code made.

    Only those are loaded, to see whether they repeat their golden rows here.

    Args:
        storage: where the bundles are published.
        channels: the releases by channel.
        same_code: whether such a bundle is refused in any case.
    """
    notes = {name: _note(storage, found.bundle, same_code) for name, found in channels.items()}
    return {name: note for name, note in notes.items() if note}


def _note(storage: ReleaseStorage, digest: str, same_code: bool) -> str:  # noqa: FBT001 - handed on
    try:
        if _is_of_this_code(storage, digest):
            return ""
        from housing_ml.bundle.model import Bundle  # noqa: PLC0415 - ONNX Runtime, for these alone

        return Bundle(fetch_bundle(storage, digest), same_code=same_code).other_code
    except (BundleError, ReleaseError) as error:
        return f"refused here: {error}"


def _is_of_this_code(storage: ReleaseStorage, digest: str) -> bool:
    found = storage.read(f"bundles/{digest}/{MANIFEST}")
    if found is None:
        raise ReleaseError(f"bundle {digest[:12]}: {MANIFEST} was never published, or was deleted")
    return read_manifest(found.content).feature_fingerprint == feature_fingerprint()
