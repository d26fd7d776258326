"""Where the rows of CSV text lie in its bytes, so that a row can come out as it went in.

Quoted fields may hold delimiters, quotes and line ends. A quote inside a field that does not begin
with one is a character like any other. Line ends are LF, CR LF or CR.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Positions = NDArray[np.int64]

_QUOTE, _LF, _CR = 0x22, 0x0A, 0x0D
_LINE_END = re.compile(rb"\r\n|\n|\r")


class Rows(NamedTuple):
    """Rows that are whole, int64 (rows,) each; blank lines are left out."""

    starts: Positions
    """Offset of the first byte."""
    ends: Positions
    """Offset behind the last byte, without the line end."""
    fields: Positions
    """Number of fields; 0 where a quote is not closed."""
    lines: Positions
    """Number of lines before the row."""
    consumed: int
    """Bytes that the rows and their line ends take."""
    line_count: int
    """Lines in those bytes."""


def find_rows(text: bytes, delimiter: bytes, width: int, *, final: bool) -> Rows:
    """Return the rows of `text`; unless it is `final`, what follows the last line end is left.

    Args:
        text: CSV text that begins where a row does.
        delimiter: one byte.
        width: fields that a row should have. One with another number that spans several lines has
            a quote too many: its first line is then a row of its own.
        final: whether nothing follows.
    """
    return _quick(text, delimiter, width, final=final) or _walk(text, delimiter, width, final=final)


def _quick(text: bytes, delimiter: bytes, width: int, *, final: bool) -> Rows | None:
    """Find rows by counting quotes; None where a quote stands in an odd place."""
    signs = np.frombuffer(text, np.uint8)
    quotes = _counting(signs, delimiter)
    line_ends = _line_ends(signs)
    if not final and text.endswith(b"\r"):  # an LF may follow
        line_ends = line_ends[:-1]

    def unquoted(positions: Positions) -> Positions:
        return positions[np.searchsorted(quotes, positions) % 2 == 0] if len(quotes) else positions

    stops = unquoted(line_ends)
    if final and text and (not len(stops) or stops[-1] != len(text) - 1):
        stops = np.append(stops, len(text))
    if not len(stops):
        return None if len(quotes) else _rows([], 0, 0)
    consumed = min(int(stops[-1]) + 1, len(text))
    if _misplaced(signs[:consumed], quotes[quotes < consumed], delimiter):
        return None
    starts = np.concatenate(([0], stops[:-1] + 1))
    ends = stops - ((stops > starts) & (signs[stops - 1] == _CR))
    delimiters = unquoted(np.flatnonzero(signs == delimiter[0]))
    fields = np.searchsorted(delimiters, ends) - np.searchsorted(delimiters, starts) + 1
    lines = np.searchsorted(line_ends, starts)
    full = ends > starts
    if (full & (fields != width) & (np.searchsorted(line_ends, ends) > lines)).any():
        return None
    line_count = int(np.searchsorted(line_ends, consumed))
    return Rows(starts[full], ends[full], fields[full], lines[full], consumed, line_count)


def _counting(signs: NDArray[np.uint8], delimiter: bytes) -> Positions:
    """Return the offsets of the quotes; none where no field begins with one, such as in 5" 3'."""
    quotes = np.flatnonzero(signs == _QUOTE)
    before = signs[quotes[quotes > 0] - 1]
    begins = np.isin(before, [_LF, _CR, delimiter[0]]).any() or (len(quotes) and quotes[0] == 0)
    return quotes if begins else quotes[:0]


def _line_ends(signs: NDArray[np.uint8]) -> Positions:
    """Return the offset of each line end's last byte."""
    returns = np.flatnonzero(signs == _CR)
    feeds = np.flatnonzero(signs == _LF)
    if not len(returns):
        return feeds
    followed = np.append(signs, 0)[returns + 1] == _LF
    return np.sort(np.concatenate((feeds, returns[~followed])))


def _misplaced(signs: NDArray[np.uint8], quotes: Positions, delimiter: bytes) -> bool:
    """Whether a field is opened or closed by a quote elsewhere than at its ends."""
    if len(quotes) % 2:
        return True
    around = [_QUOTE, _LF, _CR, delimiter[0]]
    padded = np.concatenate(([_LF], signs, [_LF]))
    before, after = padded[quotes[::2]], padded[quotes[1::2] + 2]
    return not (np.isin(before, around).all() and np.isin(after, around).all())


def _walk(text: bytes, delimiter: bytes, width: int, *, final: bool) -> Rows:
    """Find rows field by field."""
    field = _field_pattern(delimiter)
    rows: list[tuple[int, int, int, int]] = []
    at = line = 0
    while at < len(text):
        start, fields, ended = at, 0, False
        while not ended and (found := field.match(text, at)):
            fields, at = fields + 1, found.end()
            ended = found[1] != delimiter
        unfinished = not ended or (
            at == len(text) and found is not None and found[1] in (b"", b"\r")
        )
        if unfinished and not final:
            return _rows(rows, start, line)
        end = found.start(1) if ended and found else len(text)
        breaks = len(_LINE_END.findall(text, start, end))
        if not ended or (breaks and fields != width):
            fields = fields if ended else 0
            stop = _LINE_END.search(text, start)
            end, at = stop.span() if stop else (len(text), len(text))
            breaks = 0
        if end > start:
            rows.append((start, end, fields, line))
        line += breaks + 1
    return _rows(rows, at, line)


def _field_pattern(delimiter: bytes) -> re.Pattern[bytes]:
    """Return the pattern of a field with what ends it."""
    sign = re.escape(delimiter)
    others = rb"[^%b\r\n]*+" % sign
    return re.compile(
        rb'(?:"(?:[^"]++|"")*+"%b|[^"%b\r\n]%b|)(%b|\r\n|\n|\r|\Z)' % (others, sign, others, sign)
    )


def _rows(rows: list[tuple[int, int, int, int]], consumed: int, line_count: int) -> Rows:
    starts, ends, fields, lines = np.array(rows, dtype=np.int64).reshape(-1, 4).T
    return Rows(starts, ends, fields, lines, consumed, line_count)
