"""The one table in what is packed: .tgz, .zip, .gz and .zst.

All is unpacked in memory, so that an archive's paths and links cannot reach a file of this machine.
"""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
import zlib
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa

from housing_ml.data.source import SourceError, read_limited

if TYPE_CHECKING:
    from collections.abc import Collection

_TAR = (".tgz", ".tar.gz")
_PACKED = {".gz": "gzip", ".zst": "zstd"}

_DAMAGED = (
    *(tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, EOFError, zlib.error),
    *(RuntimeError, NotImplementedError),  # a zip with a password, or packed in another way
)


class Content(NamedTuple):
    """A file's name in lower case, and its bytes."""

    name: str
    content: bytes


def unpacked(name: str, content: bytes, endings: Collection[str]) -> Content:
    """Return the table that a file holds, or the file itself where it is not packed.

    All of an archive is read, so that its checksums are compared.

    Args:
        name: the file's name in lower case.
        content: its bytes.
        endings: those of tables.

    Raises:
        SourceError: when it is damaged, too large, or does not hold exactly one table.
    """
    stem, dot, packed = name.rpartition(".")
    try:
        if name.endswith(_TAR):
            return _one(_of_tar(content, endings), endings)
        if name.endswith(".zip"):
            return _one(_of_zip(content, endings), endings)
        if dot + packed in _PACKED:
            with pa.input_stream(io.BytesIO(content), compression=_PACKED[dot + packed]) as file:
                return Content(stem, read_limited(file, "the unpacked file"))
    except SourceError:
        raise
    except _DAMAGED as error:
        raise SourceError(
            f"the archive is truncated or damaged ({error}): download it again"
        ) from error
    return Content(name, content)


def _of_tar(content: bytes, endings: Collection[str]) -> list[Content]:
    with gzip.open(io.BytesIO(content)) as packed:
        whole = read_limited(packed, "the unpacked archive")
    with tarfile.open(fileobj=io.BytesIO(whole), mode="r:") as archive:
        tables = [item for item in archive if item.isreg() and _is_table(item.name, endings)]
        files = [(item.name, archive.extractfile(item)) for item in tables]
        return [Content(name.lower(), read_limited(file, name)) for name, file in files if file]


def _of_zip(content: bytes, endings: Collection[str]) -> list[Content]:
    found = []
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for item in archive.infolist():
            if not item.is_dir() and _is_table(item.filename, endings):
                with archive.open(item) as file:
                    found.append(Content(item.filename.lower(), read_limited(file, item.filename)))
    return found


def _is_table(name: str, endings: Collection[str]) -> bool:
    path = PurePosixPath(name.lower())
    return path.suffix in endings and not path.name.startswith(".") and "__macosx" not in path.parts


def _one(tables: list[Content], endings: Collection[str]) -> Content:
    if len(tables) != 1:
        raise SourceError(
            f"the archive holds {len(tables)} tables ({', '.join(endings)}), but needs one"
        )
    return tables[0]
