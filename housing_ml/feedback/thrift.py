"""Structs of Thrift's compact protocol, in which Parquet's footers and page headers are written.

A struct is a dict by field number; numbers are whole, texts are bytes. Source: the Apache Thrift
specification of the compact protocol.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _TEXT, _LIST, _SET = range(1, 11)
_STRUCT = 12
_MANY = 15


def read(content: bytes, at: int) -> dict[int, Any]:
    """Return the struct that begins at an offset.

    Raises:
        IndexError: when it is cut off.
        ValueError: when it holds a type that there is not.
    """
    return read_on(content, at)[0]


def read_on(content: bytes, at: int) -> tuple[dict[int, Any], int]:
    """Return the struct that begins at an offset, and the offset behind it; as `read` does."""
    fields: dict[int, Any] = {}
    number = 0
    while head := content[at]:
        at += 1
        if head >> 4:
            number += head >> 4
        else:
            number, at = _whole(content, at)
        fields[number], at = _value(content, at, head & 15)
    return fields, at + 1


def _value(content: bytes, at: int, kind: int) -> tuple[Any, int]:
    try:
        return _READERS[kind](content, at)
    except KeyError:
        raise ValueError(f"no type of Thrift: {kind}") from None


def _text(content: bytes, at: int) -> tuple[bytes, int]:
    size, at = _count(content, at)
    return content[at : at + size], at + size


def _list(content: bytes, at: int) -> tuple[list[Any], int]:
    head, at = content[at], at + 1
    size = head >> 4
    if size == _MANY:
        size, at = _count(content, at)
    found = []
    for _ in range(size):
        if head & 15 in {_TRUE, _FALSE}:
            item, at = content[at] == _TRUE, at + 1
        else:
            item, at = _value(content, at, head & 15)
        found.append(item)
    return found, at


def _count(content: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = content[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7


def _whole(content: bytes, at: int) -> tuple[int, int]:
    number, at = _count(content, at)
    return (number >> 1) ^ -(number & 1), at


_READERS: dict[int, Callable[[bytes, int], tuple[Any, int]]] = {
    _TRUE: lambda _, at: (True, at),
    _FALSE: lambda _, at: (False, at),
    _BYTE: lambda content, at: (content[at], at + 1),
    **dict.fromkeys((_I16, _I32, _I64), _whole),
    _DOUBLE: lambda content, at: (struct.unpack_from("<d", content, at)[0], at + 8),
    _TEXT: _text,
    **dict.fromkeys((_LIST, _SET), _list),
    _STRUCT: read_on,
}
