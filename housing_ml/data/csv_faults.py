"""Rows of a CSV file that cannot be read: which, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_SHOWN = 200
"""Characters of a broken row that its fault quotes."""


_CONVERT = "in Windows-1252 or Latin-1? iconv -f WINDOWS-1252 -t UTF-8 IN > OUT converts the file"


class Fault(NamedTuple):
    """A row that is set aside: its number from 0, its line from 1, its start, and why."""

    row: int
    line: int
    text: str
    rule: str


def not_utf8(text: bytes, rows: Sequence[bytes]) -> dict[int, str]:
    """Return why rows cannot be read as UTF-8, by index."""
    try:
        text.decode()
    except UnicodeDecodeError:
        return dict(_undecodable(rows))
    return {}


def _undecodable(rows: Sequence[bytes]) -> Iterator[tuple[int, str]]:
    for index, row in enumerate(rows):
        try:
            row.decode()
        except UnicodeDecodeError as error:
            yield (
                index,
                f"is no UTF-8 from its byte {error.start}: " + _CONVERT,
            )


def partition_line(text: bytes) -> tuple[bytes, bytes, bytes]:
    """Return the first line, its end and what follows; the text alone where no line ends."""
    found = [at for at in (text.find(b"\n"), text.find(b"\r")) if at >= 0]
    if not found:
        return text, b"", b""
    at = min(found)
    end = at + 2 if text[at : at + 2] == b"\r\n" else at + 1
    return text[:at], text[at:end], text[end:]


def short(row: bytes) -> str:
    """Return the start of a row, as its fault quotes it."""
    text = row[: 4 * _SHOWN].decode(errors="backslashreplace")
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
