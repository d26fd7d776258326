"""How a CSV file is written: its encoding, its delimiter, its decimal sign; and what is no CSV."""

from __future__ import annotations

import codecs
import csv
import re
from typing import TYPE_CHECKING

from housing_ml.data.contract import COLUMNS, NUMERIC, TARGET, ContractError
from housing_ml.data.lookalikes import name_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

csv.field_size_limit(2**31 - 1)  # rows have a limit of their own, and outlines of places are long

DELIMITERS = (b",", b";", b"\t", b"|")

_KEYS = {name_key(name) for name in (*COLUMNS, TARGET)}
_NUMERIC_KEYS = {name_key(name) for name in (*NUMERIC, TARGET)}
_DECIMAL_COMMA = re.compile(r"\s*[+-]?\d*,\d+\s*", re.ASCII)
_DECIMAL_POINT = re.compile(r"\s*[+-]?\d*\.\d+\s*", re.ASCII)
_STRANGERS: tuple[tuple[bytes, str], ...] = (
    (b"<!doctype html", "a web page: download the file itself; on GitHub that is its Raw button"),
    (b"<html", "a web page: download the file itself; on GitHub that is its Raw button"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file: `git lfs pull` fetches it"),
    (b"par1", "a Parquet file: give it the ending .parquet"),
    (b"pk\x03\x04", "a ZIP archive or an Excel file: give it the ending .zip or .xlsx"),
    (b"\x1f\x8b", "compressed by gzip: give it the ending .csv.gz"),
    (b"\xd0\xcf\x11\xe0", "a workbook of Excel 97: save it as .xlsx or CSV"),
    (b"%pdf", "a PDF document: download the table itself"),
    (b"{", "JSON: pandas.read_json reads it, and to_csv(index=False) writes CSV"),
    (b"[", "JSON: pandas.read_json reads it, and to_csv(index=False) writes CSV"),
    (b"\x28\xb5\x2f\xfd", "compressed by Zstandard: give it the ending .csv.zst"),
)


def require_csv(start: bytes) -> None:
    """Raise a ContractError that names what a file is that begins so, where it is no CSV."""
    beginning = start[:200].removeprefix(codecs.BOM_UTF8).lstrip().lower()
    for mark, what in _STRANGERS:
        if beginning.startswith(mark):
            raise ContractError(f"is no CSV but {what}")


def encoding(start: bytes) -> str:
    """Return the encoding of a file that begins so: UTF-8, UTF-32, or UTF-16 without a mark too."""
    if start.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32"
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if len(start) > 1 and (start[0] == 0) != (start[1] == 0):
        return "utf-16-be" if start[0] == 0 else "utf-16-le"
    return "utf-8"


def transcoding(read: Callable[[int], bytes], start: bytes, name: str) -> Callable[[int], bytes]:
    """Return a reader of the same text in UTF-8; `start` was read already."""
    decoder = codecs.getincrementaldecoder(name)(errors="replace")
    waiting = [start]

    def read_utf8(size: int) -> bytes:
        block = waiting.pop() if waiting else read(size)
        text = decoder.decode(block, final=not block).encode()
        return text or (read_utf8(size) if block else b"")

    return read_utf8


def sniff_delimiter(first_line: bytes) -> bytes:
    """Return what separates most names of the contract in a file's first line; else the comma."""

    def known(delimiter: bytes) -> int:
        names = split_row(first_line, delimiter)
        return len(_KEYS & {name_key(name) for name in names})

    return max(DELIMITERS, key=known)


def decimal_comma(names: list[str], rows: Iterable[list[str]]) -> bool:
    """Whether the contract's numbers have a comma and never a point; `rows` are some of them."""
    at = [index for index, name in enumerate(names) if name_key(name) in _NUMERIC_KEYS]
    cells = [row[index] for row in rows for index in at if index < len(row)]
    return any(map(_DECIMAL_COMMA.fullmatch, cells)) and not any(
        map(_DECIMAL_POINT.fullmatch, cells)
    )


def split_row(row: bytes, delimiter: bytes) -> list[str]:
    """Return the fields of one row; bytes that are no UTF-8 become replacement characters."""
    text = row.decode(errors="replace")
    return next(csv.reader([text], delimiter=delimiter.decode()), [])
