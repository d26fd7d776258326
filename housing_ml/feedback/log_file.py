"""One row of a file of the prediction log by its id, without PyArrow, which the service has not.

Of the file's row groups only those are unpacked whose statistics allow the id. It reads what the
service and the compaction write: required columns, plain values, unpacked or gzip.
"""

from __future__ import annotations

import struct
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from housing_ml.feedback import thrift
from housing_ml.feedback.log_format import FORMAT, LogError
from housing_ml.formats import Stamp

ID = "prediction_id"
_MAGIC = b"PAR1"
_UNPACKED, _GZIP = 0, 2
_REQUIRED = 0
_PLAIN = 0
_INT64, _DOUBLE, _TEXT = 2, 5, 6
_DATA_PAGE = 0
_DAMAGED = (struct.error, zlib.error, KeyError, IndexError, TypeError, ValueError)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class PackedError(LogError):
    """A file of the log that is written in another way than those that are read here."""


class LogFile:
    """The bytes of a file of the log.

    Raises:
        LogError: when it is damaged, or of a newer format.
    """

    def __init__(self, name: str, content: bytes) -> None:
        self._name, self._content = name, content
        try:
            (size,) = struct.unpack("<I", content[-8:-4])
            if content[:4] != _MAGIC or content[-4:] != _MAGIC:
                raise LogError(f"{name}: is no Parquet file")
            footer = thrift.read(content, len(content) - 8 - size)
            said = {item[1].decode(): item.get(2, b"").decode() for item in footer.get(5, ())}
            self._groups = footer[4]
            self._optional = [item[4] for item in footer[2][1:] if item.get(3) != _REQUIRED]
        except _DAMAGED as error:
            raise LogError(f"{name}: is damaged: {error!r}") from error
        stamp = msgspec.convert(said, Stamp, strict=False)
        if refusal := FORMAT.refusal(name, stamp):
            raise LogError(refusal)

    def find(self, prediction_id: str) -> dict[str, Any] | None:
        """Return the row of that id, by column; None when the file has none.

        Raises:
            LogError: when it is damaged; `PackedError` when it is not written so.
        """
        wanted = prediction_id.encode()
        try:
            for group in self._groups:
                columns = {item[3][3][0].decode(): item[3] for item in group[1]}
                if not _may_hold(columns[ID].get(12, {}), wanted):
                    continue
                values = self._values(columns[ID])
                if (row := _text_at(values, wanted)) >= 0:
                    return {name: self._value(column, row) for name, column in columns.items()}
        except _DAMAGED as error:
            raise LogError(f"{self._name}: is damaged: {error!r}") from error
        return None

    def _value(self, column: dict[int, Any], row: int) -> Any:
        values = self._values(column)
        if column[1] == _TEXT:
            return _text(values, row)
        if column[1] == _DOUBLE:
            return struct.unpack_from("<d", values, 8 * row)[0]
        if column[1] == _INT64:
            return _EPOCH + timedelta(microseconds=struct.unpack_from("<q", values, 8 * row)[0])
        raise PackedError(f"{self._name}: has a column of type {column[1]}")

    def _values(self, column: dict[int, Any]) -> bytes:
        """Return the plain values of a column's pages, one after the other."""
        if self._optional or 11 in column or column[4] not in {_UNPACKED, _GZIP}:
            raise PackedError(f"{self._name}: is not written as it is read here")
        parts, at, left = [], column[9], column[5]
        while left > 0:
            header, at = thrift.read_on(self._content, at)
            page = header.get(5, {})
            if header[1] != _DATA_PAGE or page[2] != _PLAIN:
                raise PackedError(f"{self._name}: is not written as it is read here")
            packed = self._content[at : at + header[3]]
            parts.append(zlib.decompress(packed, wbits=31) if column[4] == _GZIP else packed)
            at, left = at + header[3], left - page[1]
        return b"".join(parts)


def _may_hold(statistics: dict[int, Any], wanted: bytes) -> bool:
    """Whether a group of these least and greatest values may hold one; without any it may."""
    least, greatest = statistics.get(6), statistics.get(5)
    return (least is None or least <= wanted) and (greatest is None or wanted <= greatest)


def _text_at(values: bytes, wanted: bytes) -> int:
    """Return the row of a text among plain ones; -1 when it is not there."""
    entry = struct.pack("<I", len(wanted)) + wanted
    place = values.find(entry)
    while place >= 0:
        row, at = 0, 0
        while at < place:
            at += 4 + struct.unpack_from("<I", values, at)[0]
            row += 1
        if at == place:
            return row
        place = values.find(entry, place + 1)
    return -1


def _text(values: bytes, row: int) -> str:
    at = 0
    for _ in range(row):
        at += 4 + struct.unpack_from("<I", values, at)[0]
    (size,) = struct.unpack_from("<I", values, at)
    return values[at + 4 : at + 4 + size].decode()
