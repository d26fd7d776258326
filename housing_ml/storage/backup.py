"""A home folder as one file, and back: taken while work goes on, restored whole or not at all."""

from __future__ import annotations

import io
import json
import os
import shutil
import sqlite3
import tarfile
import tempfile
import zlib
from contextlib import closing, contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, NamedTuple

from housing_ml.storage.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator

FORMAT = 1
_LABEL = "housing-backup.json"
"""The first member: what the file is, and in which format."""

_SQLITE = b"SQLite format 3\0"
_NOT_STATE = {"cache", "locks"}
"""Folders of the home that hold nothing to keep."""

_BROKEN = (tarfile.TarError, EOFError, zlib.error, OSError, ValueError)


class BackUp(NamedTuple):
    """What was written or restored."""

    files: int
    bytes: int


def back_up(home: Path, target: Path) -> BackUp:
    """Write all state of a home folder into one file.

    Databases are copied as SQLite does it, and a document that refers to others before them, so
    that what is being written meanwhile is in the file whole or not at all.

    Raises:
        StorageError: when there is no home, or the file cannot be written.
    """
    if not home.is_dir():
        raise StorageError(f"there is no home folder at {home}: nothing to back up")
    paths = sorted(_state(home, target), key=_referring_first)
    count = size = 0
    try:
        with _replacing(target) as file, tarfile.open(fileobj=file, mode="w:gz") as archive:
            _label(archive)
            for path in paths:
                try:
                    size += _add(archive, path.relative_to(home).as_posix(), path)
                except FileNotFoundError:  # a part of something that ended meanwhile
                    continue
                count += 1
    except OSError as error:
        raise StorageError(f"{target}: cannot be written: {error.strerror}") from None
    return BackUp(count, size)


def restore(source: Path, home: Path) -> BackUp:
    """Make a home folder of a back-up; where it fails, there is none.

    Raises:
        StorageError: when the home exists, or the file is not a whole back-up of a known format.
    """
    if home.exists() and (not home.is_dir() or any(home.iterdir())):
        raise StorageError(f"{home} exists: move it away, or set HOUSING_HOME to a new folder")
    home.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(dir=home.parent, prefix=f".{home.name}-"))
    try:
        done = _extract(source, part)
        part.chmod(0o755)
        part.replace(home)
    except _BROKEN as error:
        raise StorageError(f"{source}: is no whole back-up of a home: {error}") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return done


def _state(home: Path, target: Path) -> Iterator[Path]:
    for folder, names, files in os.walk(home, followlinks=True):
        top = Path(folder) == home
        paths = [Path(folder, name) for name in (*names, *files)]
        kept = [
            path for path in paths if path.name not in _NOT_STATE if top or not path.is_symlink()
        ]
        names[:] = {path.name for path in kept}.intersection(names)
        for path in kept:
            beside = path.name.endswith(("-wal", "-shm", "-journal"))  # in its database's copy
            if path.is_file() and not beside and path.absolute() != target.absolute():
                yield path


def _referring_first(path: Path) -> tuple[bool, bool, str]:
    """Sort databases first, then what names other files: those are written before it."""
    return path.suffix != ".db", path.name != "channels.json", str(path)


def _label(archive: tarfile.TarFile) -> None:
    content = json.dumps({"format": FORMAT}).encode()
    member = tarfile.TarInfo(_LABEL)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def _add(archive: tarfile.TarFile, name: str, path: Path) -> int:
    """Add a file as it is now; return its size in bytes."""
    with path.open("rb") as file, tempfile.NamedTemporaryFile() as copy:
        if file.read(len(_SQLITE)) == _SQLITE:
            with (
                closing(sqlite3.connect(path)) as source,
                closing(sqlite3.connect(copy.name)) as to,
            ):
                source.backup(to)
            member = archive.gettarinfo(copy.name, name)
            archive.addfile(member, copy.file)
        else:
            file.seek(0)
            member = archive.gettarinfo(fileobj=file, arcname=name)
            archive.addfile(member, file)
    return member.size


@contextmanager
def _replacing(target: Path) -> Iterator[IO[bytes]]:
    """Yield a file that becomes `target` when all is written, and nothing before."""
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".", delete=False) as file:
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).replace(target)
        except BaseException:
            Path(file.name).unlink()
            raise


def _extract(source: Path, folder: Path) -> BackUp:
    count = size = 0
    with tarfile.open(source, "r|gz") as archive:
        for number, member in enumerate(archive):
            file = archive.extractfile(member)
            path = PurePosixPath(member.name)
            if not member.isreg() or file is None or path.is_absolute() or ".." in path.parts:
                raise ValueError(f"it holds {member.name}, which is no file of a home")
            if number == 0:
                _require_label(member.name, file.read())
                continue
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as copy:
                shutil.copyfileobj(file, copy)
            count, size = count + 1, size + member.size
    if not count:
        raise ValueError("it is empty")
    return BackUp(count, size)


def _require_label(name: str, content: bytes) -> None:
    label = json.loads(content) if name == _LABEL else None
    found = label.get("format") if isinstance(label, dict) else None
    if found != FORMAT:
        raise ValueError(f"its format is {found or 'another'}, and not {FORMAT}")
