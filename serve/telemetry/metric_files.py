"""The files through which several workers' figures are one, all of them on the disk before use.

prometheus_client maps files that have a size and no place yet: the first write to one on a full
disk kills the process. Here each is allocated before it is mapped. Where that fails, a worker
counts in memory of its own, and moves to the file when there is room.
"""

from __future__ import annotations

import mmap
import os
import threading
from contextlib import suppress
from pathlib import Path

import structlog
from prometheus_client import values
from prometheus_client.mmap_dict import MmapedDict

_SIZE = 1 << 18
_SPARE = 64
"""Bytes of an entry beside its key, at the most."""

logger = structlog.get_logger(__name__)


class AllocatedDict(MmapedDict):
    """A file of one worker's figures of one kind; see prometheus_client."""

    def __init__(self, filename: str) -> None:
        self._file = Path(filename)
        self._lock = threading.RLock()
        self._positions: dict[str, int] = {}
        self._capacity = _SIZE
        self._used = 8
        self.error = ""
        self._m = self._mapped() or mmap.mmap(-1, _SIZE)
        self._m[:4] = self._used.to_bytes(4, "little")
        _files.append(self)

    def share(self) -> None:
        """Move to the file, when there was no room for it before and is now."""
        with self._lock:
            if self.error and (found := self._mapped()):
                found[: self._used] = self._m[: self._used]
                self._m = found
                logger.info("metrics_shared", file=self._file.name)

    def read_value(self, key: str) -> tuple[float, float]:
        """Return value and time of a figure, which begins with zeros."""
        with self._lock:
            found: tuple[float, float] = super().read_value(key)  # type: ignore[no-untyped-call]
            return found

    def write_value(self, key: str, value: float, timestamp: float) -> None:
        """Write a figure."""
        with self._lock:
            super().write_value(key, value, timestamp)  # type: ignore[no-untyped-call]

    def close(self) -> None:
        """Let the memory go."""
        self._m.close()

    def _init_value(self, key: str) -> None:
        while self._used + len(key.encode()) + _SPARE > self._capacity:
            self._capacity *= 2
            before, self._m = self._m, self._mapped() or mmap.mmap(-1, self._capacity)
            self._m[: self._used] = before[: self._used]
        super()._init_value(key)  # type: ignore[no-untyped-call]

    def _mapped(self) -> mmap.mmap | None:
        """Return the file, all of it on the disk; None when that cannot be."""
        try:
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._file.open("a+b") as handle:
                os.posix_fallocate(handle.fileno(), 0, self._capacity)
                found = mmap.mmap(handle.fileno(), self._capacity)
        except OSError as error:
            if not self.error:
                logger.error("metrics_not_shared", error=str(error))  # noqa: TRY400 - once, no trace
            self.error = str(error)
            self._forget_empty()
            return None
        self.error = ""
        return found

    def _forget_empty(self) -> None:
        """Leave no file without a head, which the others would read."""
        with suppress(OSError):
            if not self._file.stat().st_size:
                self._file.unlink()


_files: list[AllocatedDict] = []


def allocate_first() -> None:
    """Let figures that are made from now on be allocated before they are mapped."""
    values.MmapedDict = AllocatedDict  # type: ignore[attr-defined, assignment]


def problem() -> str:
    """Try again what failed; return why figures are not shared, empty when they are."""
    for file in _files:
        file.share()
    return next((file.error for file in _files if file.error), "")
