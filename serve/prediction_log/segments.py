"""The prediction log on local disk: files of checked blocks that a crash can only cut at the end.

A segment is a line with its format, and blocks: length and CRC-32 of the payload, and the payload
as MessagePack. Its writer holds a lock on it, which the kernel frees when the process dies, so a
segment that can be locked is finished.
"""

from __future__ import annotations

import os
import re
import secrets
import struct
import time
import zlib
from datetime import UTC, datetime
from itertools import chain, repeat
from typing import TYPE_CHECKING, BinaryIO

import msgspec
import numpy as np

from housing_ml.data.contract import CATEGORIES, CATEGORY, COLUMNS, Matrix
from housing_ml.errors import HousingError
from housing_ml.feedback.log_format import FORMAT, OUTPUTS
from housing_ml.formats import Stamp
from housing_ml.storage.file_lock import lock

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from types import TracebackType

    from numpy.typing import NDArray

    from serve.prediction_log.parquet import Values

SUFFIX = ".segment"
_LINE = re.compile(rb"HMLSEG(\d+)(?: (\S+))?\n")
"""Format, and the oldest version of the software that reads it."""
_LONGEST_LINE = 64
_HEAD = struct.Struct("<II")
_WIDTH = len(COLUMNS) + len(OUTPUTS)


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """Predictions that one model made at one time: ids, and float64 (rows, 12) as bytes.

    The columns are those of the contract, then price, lower and upper bound in dollars.
    """

    time: float
    model_version: str
    channel: str
    ids: list[str]
    numbers: bytes

    @classmethod
    def of(
        cls,
        model_version: str,
        channel: str,
        ids: list[str],
        raw: Matrix,
        outputs: Sequence[NDArray[np.float64]],
    ) -> Entry:
        """Return the entry of predictions made now; `outputs` are price, lower and upper bound."""
        numbers = np.column_stack([raw, *outputs]).tobytes()
        return cls(time.time(), model_version, channel, ids, numbers)


class SegmentError(HousingError, RuntimeError):
    """A segment that is not read here; the message says which version is needed."""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[Entry])


class SegmentWriter:
    """One open segment; `append` is whole or not at all, also when the disk is full."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        moment = datetime.now(UTC)
        name = f"{moment:%Y%m%dT%H%M%S}-{secrets.token_hex(4)}{SUFFIX}"
        self.path = folder / name
        self.opened = time.monotonic()
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        lock(self._file)
        self.size = 0

    def append(self, entries: Sequence[Entry]) -> None:
        """Write the entries as one block.

        Raises:
            OSError: when they cannot be written; the segment is as it was before.
        """
        payload = _encoder.encode(entries)
        block = _HEAD.pack(len(payload), zlib.crc32(payload)) + payload
        self._write(block if self.size else f"HMLSEG{FORMAT.number}\n".encode() + block)

    def close(self) -> None:
        """Let the segment go, so that it can be moved to storage."""
        os.close(self._file)

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(self._file, rest) :]
        except OSError:
            os.ftruncate(self._file, self.size)
            raise
        self.size += len(data)


class FinishedSegment:
    """A segment that no process writes to any more, held by this one until the block ends."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> BinaryIO | None:
        """Return the open file; None when it is still written to, or was moved meanwhile."""
        try:
            self._file = self.path.open("rb")
        except FileNotFoundError:
            return None
        try:
            lock(self._file.fileno(), wait=False)
        except BlockingIOError:
            return None
        return self._file if os.fstat(self._file.fileno()).st_nlink else None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if hasattr(self, "_file"):
            self._file.close()


def read_entries(file: BinaryIO) -> Iterator[Entry]:
    """Yield the entries of a segment up to the first block that is cut or damaged.

    Raises:
        SegmentError: when it is of a newer format.
    """
    line = _LINE.fullmatch(file.readline(_LONGEST_LINE))
    if line is None:
        return
    said = Stamp(int(line[1]), (line[2] or b"").decode())
    if refusal := FORMAT.refusal("a segment of the prediction log", said):
        raise SegmentError(refusal)
    while len(head := file.read(_HEAD.size)) == _HEAD.size:
        length, checksum = _HEAD.unpack(head)
        payload = file.read(length)
        if len(payload) != length or zlib.crc32(payload) != checksum:
            return
        yield from _decoder.decode(payload)


def to_columns(entries: Sequence[Entry]) -> dict[str, Values]:
    """Return the entries as the columns of a table, one row per prediction."""
    numbers = np.frombuffer(b"".join(entry.numbers for entry in entries)).reshape(-1, _WIDTH)
    sizes = [len(entry.ids) for entry in entries]
    columns: dict[str, Values] = {
        "prediction_id": [name for entry in entries for name in entry.ids],
        "time": np.repeat(
            np.array([round(entry.time * 1e6) for entry in entries], dtype="datetime64[us]"),
            sizes,
        ),
        "model_version": _repeated([entry.model_version for entry in entries], sizes),
        "channel": _repeated([entry.channel for entry in entries], sizes),
    }
    for index, name in enumerate((*COLUMNS, *OUTPUTS)):
        columns[name] = numbers[:, index]
    codes = numbers[:, COLUMNS.index(CATEGORY)].astype(int).tolist()
    columns[CATEGORY] = [CATEGORIES[code] if code >= 0 else "" for code in codes]
    return columns


def _repeated(texts: Sequence[str], times: Sequence[int]) -> list[str]:
    return list(chain.from_iterable(map(repeat, texts, times)))
