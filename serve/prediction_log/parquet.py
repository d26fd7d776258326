"""A writer of plain Parquet files: required columns of doubles, times and text, one row group.

PyArrow would be 130 MB of image and 60 MB of memory in every worker, for files of one fixed form.
Sources: the Parquet format, version 2 (parquet.thrift), and Thrift's compact protocol.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from isal import igzip
from numpy.typing import NDArray

Values: TypeAlias = NDArray[np.float64] | NDArray[np.datetime64] | Sequence[str]

_MAGIC = b"PAR1"
_NOTHING: Mapping[str, str] = MappingProxyType({})
_PLAIN, _RLE = 0, 3
_UNCOMPRESSED, _GZIP = 0, 2
_REQUIRED = 0
_SAMPLE_BYTES = 4096
_WORTHWHILE = 0.8
"""Prices shrink by a twentieth only, and take most of the time: left as they are."""

_Kind = Literal["i32", "i64", "text", "struct", "list"]
_WIRE_TYPES: dict[_Kind, int] = {"i32": 5, "i64": 6, "text": 8, "list": 9, "struct": 12}


class _Physical(NamedTuple):
    """A column's physical type, and its older and newer logical type where it has one."""

    type: int
    converted: int | None
    logical: bytes | None


class _Chunk(NamedTuple):
    """One column as it lies in the file: page header, and page as the codec left it."""

    name: str
    physical: _Physical
    codec: int
    content: bytes
    uncompressed_size: int


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def _integer(number: int) -> bytes:
    return _varint(number << 1)  # zigzag; nothing here is negative


def _text(text: str) -> bytes:
    encoded = text.encode()
    return _varint(len(encoded)) + encoded


def _list(kind: _Kind, items: Sequence[bytes]) -> bytes:
    if len(items) < 15:
        head = bytes([len(items) << 4 | _WIRE_TYPES[kind]])
    else:
        head = bytes([0xF0 | _WIRE_TYPES[kind]]) + _varint(len(items))
    return head + b"".join(items)


def _struct(fields: Mapping[int, tuple[_Kind, bytes]]) -> bytes:
    encoded = b""
    last = 0
    for number, (kind, value) in fields.items():
        encoded += bytes([number - last << 4 | _WIRE_TYPES[kind]]) + value
        last = number
    return encoded + b"\0"


_TIMESTAMP = _struct(
    {  # in UTC, microseconds
        8: ("struct", b"\x11" + b"\x1c" + _struct({2: ("struct", _struct({}))}) + b"\0")
    }
)
_STRING = _struct({1: ("struct", _struct({}))})
_DOUBLE_COLUMN = _Physical(5, None, None)
_TIME_COLUMN = _Physical(2, 10, _TIMESTAMP)
_TEXT_COLUMN = _Physical(6, 0, _STRING)


def _plain(values: Values) -> tuple[_Physical, bytes]:
    if not isinstance(values, np.ndarray):
        return _TEXT_COLUMN, _plain_texts(values)
    if values.dtype.kind == "M":
        return _TIME_COLUMN, values.astype("datetime64[us]").astype("<i8").tobytes()
    return _DOUBLE_COLUMN, values.astype("<f8").tobytes()


def _plain_texts(texts: Sequence[str]) -> bytes:
    """Return each text after its length; those of one length, such as ids, are all laid at once."""
    joined, width = "".join(texts).encode(), len(texts[0]) if texts else 0
    if width and {*map(len, texts)} == {width} and len(joined) == len(texts) * width:
        rows = np.empty((len(texts), 4 + width), dtype=np.uint8)
        rows[:, :4] = list(struct.pack("<I", width))
        rows[:, 4:] = np.frombuffer(joined, dtype=np.uint8).reshape(-1, width)
        return rows.tobytes()
    encoded = {text: _plain_text(text) for text in set(texts)}  # most stand there often
    return b"".join([encoded[text] for text in texts])


def _plain_text(text: str) -> bytes:
    encoded = text.encode()
    return struct.pack("<I", len(encoded)) + encoded


def _compressed(page: bytes) -> tuple[int, bytes]:
    """Return the page and its codec: gzip where a sample says that it helps."""
    sample = page[:_SAMPLE_BYTES]
    if len(igzip.compress(sample, 1, mtime=0)) > _WORTHWHILE * len(sample):
        return _UNCOMPRESSED, page
    return _GZIP, igzip.compress(page, 1, mtime=0)  # in a third of the time that zlib takes


def _chunk(name: str, values: Values) -> _Chunk:
    physical, page = _plain(values)
    codec, content = _compressed(page)
    page_fields = {
        1: ("i32", _integer(len(values))),
        2: ("i32", _integer(_PLAIN)),
        3: ("i32", _integer(_RLE)),
        4: ("i32", _integer(_RLE)),
    }
    header = _struct(
        {
            1: ("i32", _integer(0)),
            2: ("i32", _integer(len(page))),
            3: ("i32", _integer(len(content))),
            5: ("struct", _struct(page_fields)),  # type: ignore[arg-type]
        }
    )
    return _Chunk(name, physical, codec, header + content, len(header) + len(page))


def _schema_element(chunk: _Chunk) -> bytes:
    fields: dict[int, tuple[_Kind, bytes]] = {
        1: ("i32", _integer(chunk.physical.type)),
        3: ("i32", _integer(_REQUIRED)),
        4: ("text", _text(chunk.name)),
    }
    if chunk.physical.converted is not None and chunk.physical.logical is not None:
        fields[6] = ("i32", _integer(chunk.physical.converted))
        fields[10] = ("struct", chunk.physical.logical)
    return _struct(fields)


def _column(chunk: _Chunk, offset: int, rows: int) -> bytes:
    metadata = _struct(
        {
            1: ("i32", _integer(chunk.physical.type)),
            2: ("list", _list("i32", [_integer(_PLAIN)])),
            3: ("list", _list("text", [_text(chunk.name)])),
            4: ("i32", _integer(chunk.codec)),
            5: ("i64", _integer(rows)),
            6: ("i64", _integer(chunk.uncompressed_size)),
            7: ("i64", _integer(len(chunk.content))),
            9: ("i64", _integer(offset)),
        }
    )
    return _struct({2: ("i64", _integer(offset)), 3: ("struct", metadata)})


def _key_value(key: str, value: str) -> bytes:
    return _struct({1: ("text", _text(key)), 2: ("text", _text(value))})


def encode(columns: Mapping[str, Values], said: Mapping[str, str] = _NOTHING) -> bytes:
    """Return the bytes of a Parquet file.

    Args:
        columns: by name, all of the same length.
        said: of the file as a whole, its key-value metadata.
    """
    rows = len(next(iter(columns.values())))
    chunks = [_chunk(name, values) for name, values in columns.items()]
    offsets = np.cumsum([len(_MAGIC), *(len(chunk.content) for chunk in chunks)]).tolist()
    root = _struct({4: ("text", _text("rows")), 5: ("i32", _integer(len(chunks)))})
    row_group = _struct(
        {
            1: (
                "list",
                _list(
                    "struct",
                    [
                        _column(chunk, offset, rows)
                        for chunk, offset in zip(chunks, offsets, strict=False)
                    ],
                ),
            ),
            2: ("i64", _integer(sum(chunk.uncompressed_size for chunk in chunks))),
            3: ("i64", _integer(rows)),
        }
    )
    footer = _struct(
        {
            1: ("i32", _integer(2)),
            2: ("list", _list("struct", [root, *map(_schema_element, chunks)])),
            3: ("i64", _integer(rows)),
            4: ("list", _list("struct", [row_group])),
            5: ("list", _list("struct", [_key_value(*item) for item in said.items()])),
            6: ("text", _text("housing-ml")),
        }
    )
    content = b"".join(chunk.content for chunk in chunks)
    return _MAGIC + content + footer + struct.pack("<I", len(footer)) + _MAGIC
