"""The last bundle that proved itself, on this machine's disk, for when no source answers."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import msgspec

from housing_ml.bundle.manifest import BundleError
from housing_ml.bundle.model import Bundle, load_bundle
from housing_ml.releases.records import Channels, Release, decode

if TYPE_CHECKING:
    from pathlib import Path


class LastGood:
    """One bundle per channel in `folder`; the workers of a machine share it.

    With `same_code`, one that other feature code made is not taken back.
    """

    def __init__(self, folder: Path, channel: str, *, same_code: bool = False) -> None:
        self._bundles = folder / "last-good" / channel
        self._pointer = self._bundles / "release.json"
        self._document = self._bundles / "channels.json"
        self._same_code = same_code

    def save(self, bundle: Bundle, release: Release, document: Channels) -> None:
        """Keep this bundle, and the channels that name it, and forget the others.

        Raises:
            BundleError, OSError: when it cannot be written; what was there stays.
        """
        target = self._bundles / release.bundle
        if not _is_saved(bundle, target):
            try:
                bundle.save(target)
            except BundleError:
                if not _is_saved(bundle, target):  # else another worker was quicker
                    raise
        _replace(self._document, msgspec.json.encode(document))
        _replace(self._pointer, msgspec.json.encode(release))
        for other in self._bundles.iterdir():
            if other.is_dir() and other != target:
                shutil.rmtree(other, ignore_errors=True)

    def load(self) -> tuple[Bundle, Release, Channels | None] | None:
        """Return what was kept, verified anew; None when nothing was.

        Raises:
            BundleError, OSError, msgspec.MsgspecError: when it is damaged, or of other code than
                this. It stays for that code, until the next `save`.
            ReleaseError: when a newer version wrote it, in a format that is not read here.
        """
        if not self._pointer.exists():
            return None
        release = decode(str(self._pointer), self._pointer.read_bytes(), Release)
        bundle = load_bundle(self._bundles / release.bundle, same_code=self._same_code)
        if bundle.digest != release.bundle:
            raise BundleError(f"the last good bundle is not {release.bundle}")
        return bundle, release, self._channels()

    def _channels(self) -> Channels | None:
        if not self._document.exists():
            return None
        return decode(str(self._document), self._document.read_bytes(), Channels)


def _replace(file: Path, content: bytes) -> None:
    new = file.with_suffix(f".{os.getpid()}")
    new.write_bytes(content)
    new.replace(file)


def _is_saved(bundle: Bundle, folder: Path) -> bool:
    return all(
        (folder / name).is_file() and (folder / name).read_bytes() == content
        for name, content in bundle.files().items()
    )
