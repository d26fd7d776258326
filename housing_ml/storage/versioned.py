"""Where releases are kept: objects by name, with conditional writes."""

from __future__ import annotations

import hashlib
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, Protocol

from housing_ml.storage.atomic import write_atomically
from housing_ml.storage.errors import ConflictError
from housing_ml.storage.file_lock import lock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path


class Versioned(NamedTuple):
    """An object's bytes and the generation that a conditional write must name."""

    content: bytes
    generation: int


class StoredObject(NamedTuple):
    """An object as a listing knows it."""

    name: str
    size: int
    """In bytes."""
    modified: datetime


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

    def delete(self, name: str) -> None:
        """Delete the object; one that is not there is no error."""
        ...

    def names(self, folder: str) -> list[str]:
        """Return the names of the objects directly in a folder, sorted."""
        ...

    def folders(self, folder: str) -> list[str]:
        """Return the names of the folders directly in a folder, sorted."""
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

    def delete(self, name: str) -> None:
        """Delete the file; one that is not there is no error."""
        (self.root / name).unlink(missing_ok=True)

    def names(self, folder: str) -> list[str]:
        """Return the names of the files directly in a folder, sorted."""
        return [f"{folder}/{item.name}" for item in self._entries(folder) if not item.is_dir()]

    def folders(self, folder: str) -> list[str]:
        """Return the names of the folders directly in a folder, sorted."""
        return [f"{folder}/{item.name}" for item in self._entries(folder) if item.is_dir()]

    def _entries(self, folder: str) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(self.root / folder) as entries:
                found = [item for item in entries if not item.name.startswith(".")]
        except FileNotFoundError:
            return []
        return sorted(found, key=lambda item: item.name)

    @contextmanager
    def _lock(self) -> Iterator[None]:
        # The kernel frees the lock when its holder dies.
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / ".lock").open("w") as file:
            lock(file.fileno())
            yield


def _generation(content: bytes) -> int:
    return int.from_bytes(hashlib.sha256(content).digest()[:7]) + 1
