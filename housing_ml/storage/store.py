"""A content-addressed store on a Prefect block: immutable data, found by their digest.

A reference is small and travels between stages in place of the data. What is read is checked
against its digest, so that a damaged object is an error and never a wrong result.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from housing_ml.records.refs import ArtifactRef, DatasetRef
from housing_ml.storage.atomic import write_atomically
from housing_ml.storage.errors import StorageError
from housing_ml.storage.frames import from_parquet, to_parquet
from housing_ml.storage.locate import storage_place
from housing_ml.storage.versioned import StoredObject

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from housing_ml.settings import StorageSettings


class ObjectFiles(Protocol):
    """What a store needs of the place that it keeps objects in."""

    def read_path(self, path: str) -> bytes:
        """Return the bytes at `path`; raise some error when there are none."""
        ...

    def write_path(self, path: str, content: bytes) -> object:
        """Write all of `content` at `path`, or nothing."""
        ...

    def sha256(self, path: str) -> str | None:
        """Return the digest of the bytes at `path`; None when there are none."""
        ...

    def objects(self, folder: str) -> Iterator[StoredObject]:
        """Yield all objects below a folder, at any depth."""
        ...

    def delete(self, name: str) -> None:
        """Delete an object; one that is not there is no error."""
        ...


class LocalFiles:
    """Objects as files below a folder, written whole or not at all.

    Prefect's LocalFileSystem writes in place, so that a crash leaves half a file; and importing
    Prefect takes seconds that a command which only reads a bundle should not pay.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def read_path(self, path: str) -> bytes:
        """Return the bytes of a file below the root."""
        return (self.root / path).read_bytes()

    def write_path(self, path: str, content: bytes) -> None:
        """Write a file below the root, replacing an older one in one step."""
        write_atomically(self.root / path, content)

    def sha256(self, path: str) -> str | None:
        """Return the digest of a file below the root; None when there is none."""
        try:
            return sha256(self.read_path(path)).hexdigest()
        except OSError:
            return None

    def objects(self, folder: str) -> Iterator[StoredObject]:
        """Yield the files below a folder; what goes meanwhile is left out."""
        for path in sorted((self.root / folder).rglob("*")):
            with suppress(FileNotFoundError):
                if path.is_file():
                    found = path.stat()
                    modified = datetime.fromtimestamp(found.st_mtime, UTC)
                    name = path.relative_to(self.root).as_posix()
                    yield StoredObject(name, found.st_size, modified)

    def delete(self, name: str) -> None:
        """Delete a file, and its folder when it was the last there."""
        (self.root / name).unlink(missing_ok=True)
        with suppress(OSError):
            (self.root / name).parent.rmdir()


class Store:
    """Immutable objects by digest; `root` says where, for people."""

    def __init__(self, files: ObjectFiles, root: str) -> None:
        self._files = files
        self.root = root

    def put_bytes(self, content: bytes, suffix: str) -> ArtifactRef:
        """Store `content`; the same content gives the same reference, and is written once."""
        digest = sha256(content).hexdigest()
        key = f"data/{digest[:2]}/{digest}{suffix}"
        ref = ArtifactRef(key=key, sha256=digest, size=len(content))
        if not self.holds(ref):
            self._files.write_path(key, content)
        return ref

    def get_bytes(self, ref: ArtifactRef) -> bytes:
        """Return what `ref` refers to.

        Raises:
            StorageError: when it is missing or damaged.
        """
        try:
            content = self._files.read_path(ref.key)
        except Exception as error:  # each block has errors of its own for what is not there
            raise StorageError(
                f"{self.root}/{ref.key} cannot be read ({error}): run the stage that made it again"
            ) from error
        if sha256(content).hexdigest() != ref.sha256:
            raise StorageError(
                f"{self.root}/{ref.key} is damaged (its SHA-256 is not that of its name): "
                "run the stage that made it again"
            )
        return content

    def holds(self, ref: ArtifactRef) -> bool:
        """Whether the object is there and undamaged."""
        return self._files.sha256(ref.key) == ref.sha256

    def put_frame(self, frame: pd.DataFrame) -> DatasetRef:
        """Store a table as Parquet; the same table gives the same bytes."""
        ref = self.put_bytes(to_parquet(frame), ".parquet")
        return DatasetRef(
            **ref.model_dump(), rows=len(frame), columns=tuple(map(str, frame.columns))
        )

    def get_frame(self, ref: DatasetRef) -> pd.DataFrame:
        """Return the table; raises as `get_bytes` does."""
        return from_parquet(self.get_bytes(ref))


def open_files(settings: StorageSettings) -> ObjectFiles:
    """Return everything that is kept where the settings say: data, results and releases."""
    place = storage_place(settings)
    return LocalFiles(place) if isinstance(place, Path) else place


def open_store(settings: StorageSettings) -> Store:
    """Return the store where the settings say: in a bucket, or below the home folder."""
    place = storage_place(settings)
    if isinstance(place, Path):
        return Store(LocalFiles(place), str(place))
    return Store(place, place.address)
