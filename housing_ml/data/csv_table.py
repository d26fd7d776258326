"""CSV files as rows of text: nothing is guessed, and a row that is broken costs no other.

for chunk in CsvReader(open("rows.csv", "rb").read):
    chunk.texts            # Arrow strings, the columns of the first line
    chunk.raw              # the rows' own bytes
    chunk.faults           # rows that are set aside, with line number and reason
"""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from housing_ml.data.columns import find_columns
from housing_ml.data.contract import CATEGORY, ContractError
from housing_ml.data.csv_dialect import (
    decimal_comma,
    encoding,
    require_csv,
    sniff_delimiter,
    split_row,
    transcoding,
)
from housing_ml.data.csv_faults import Fault, not_utf8, partition_line, short
from housing_ml.data.csv_rows import Positions, Rows, find_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

CHUNK_BYTES = 8 * 1024**2
"""Bytes that make a chunk. A longer row is set aside."""

_SNIFFED = 200
"""Rows that tell the decimal sign."""


class EmptyFileError(ContractError):
    """A CSV file without a first line."""


class CsvChunk(NamedTuple):
    """Some rows of a file, in their order."""

    texts: pa.RecordBatch
    """The columns asked for, as strings."""
    raw: list[bytes]
    """The rows' own bytes, without their line ends."""
    numbers: Positions
    """Numbers of the rows in the file, from 0; those set aside count."""
    lines: Positions
    """Numbers of their first lines in the file, from 1."""
    faults: list[Fault]
    """Rows that are none of these."""


class CsvReader:
    """The rows of a CSV file, a chunk at a time, the same chunks at each reading."""

    def __init__(self, read: Callable[[int], bytes], chunk_bytes: int = CHUNK_BYTES) -> None:
        """Read the first line.

        Args:
            read: returns at most so many bytes of the file, and none at its end.
            chunk_bytes: bytes that make a chunk.

        Raises:
            ContractError: when there is no first line, or the file is none of CSV.
        """
        self._read = read
        self._size = chunk_bytes
        start = self._next_block()
        require_csv(start)
        self.encoding = encoding(start)
        if self.encoding != "utf-8":
            self._read = transcoding(read, start, self.encoding)
            start = self._next_block()
        self._text = start.removeprefix(codecs.BOM_UTF8)
        self._row = self._line = 0
        self.header, self.line_end = self._first_line()
        self.delimiter = sniff_delimiter(self.header)
        self.names = split_row(self.header, self.delimiter)
        self.decimal = "," if self._has_decimal_comma() else "."

    @property
    def dialect(self) -> str:
        """What is unusual in how the file is written, for a person; empty for the usual CSV."""
        names = {b";": "semicolons", b"\t": "tabs", b"|": "bars"}
        found = [
            *([f"{names[self.delimiter]} between the columns"] if self.delimiter != b"," else []),
            *(["decimal commas"] if self.decimal == "," else []),
            *(
                [f"the encoding {self.encoding.upper()}, which becomes UTF-8"]
                if self.encoding != "utf-8"
                else []
            ),
        ]
        return " and ".join(found)

    def chunks(self, columns: Sequence[int] | None = None) -> Iterator[CsvChunk]:
        """Yield the rows; `columns` are the positions of those to read, all of them if None."""
        wanted = range(len(self.names)) if columns is None else columns
        final = begun = False
        while not final:
            has_room = len(self._text) <= self._size
            block = self._next_block() if has_room else b""
            final = has_room and not block
            self._text += block
            rows = find_rows(self._text, self.delimiter, len(self.names), final=final)
            if rows.consumed or final:
                if len(rows.starts) or not (final and begun):
                    yield self._chunk(rows, wanted)
                self._text = self._text[rows.consumed :]
            elif len(self._text) > self._size:
                yield self._without_first_line(wanted)
            begun = True

    def _next_block(self) -> bytes:
        """Return as many bytes as make a chunk, fewer only at the end."""
        parts: list[bytes] = []
        missing = self._size
        while missing > 0 and (part := self._read(missing)):
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)

    def _has_decimal_comma(self) -> bool:
        rows = find_rows(self._text, self.delimiter, len(self.names), final=True)
        ends = zip(rows.starts[:_SNIFFED].tolist(), rows.ends.tolist(), strict=False)
        cells = (split_row(self._text[start:end], self.delimiter) for start, end in ends)
        return decimal_comma(self.names, cells)

    def _first_line(self) -> tuple[bytes, bytes]:
        """Return the line with the names, and the line end; the text is then what follows it."""
        rows = find_rows(self._text, b",", 0, final=True)
        if not len(rows.starts):
            raise EmptyFileError("the file has no first line with the columns' names")
        start, end = int(rows.starts[0]), int(rows.ends[0])
        line_end = self._text[end : end + 2]
        line_end = line_end if line_end == b"\r\n" else line_end[:1]
        header = self._text[start:end]
        self._line = int(rows.lines[0]) + 1 + header.count(b"\n")
        self._text = self._text[end + len(line_end) :]
        return header, b"\r\n" if line_end == b"\r\n" else b"\n"

    def _chunk(self, rows: Rows, columns: Sequence[int]) -> CsvChunk:
        text = self._text
        raw = [
            text[start:end]
            for start, end in zip(rows.starts.tolist(), rows.ends.tolist(), strict=True)
        ]
        numbers = self._row + np.arange(len(raw))
        lines = self._line + rows.lines + 1
        wrong = np.flatnonzero(rows.fields != len(self.names)).tolist()
        rules = {index: self._rule(int(rows.fields[index])) for index in wrong} | not_utf8(
            text[: rows.consumed], raw
        )
        self._row += len(raw)
        self._line += rows.line_count
        if not rules:
            texts = _texts(text[: rows.consumed], raw, columns, self)
            return CsvChunk(texts, raw, numbers, lines, [])
        faults = [
            Fault(int(numbers[index]), int(lines[index]), short(raw[index]), rule)
            for index, rule in sorted(rules.items())
        ]
        kept = np.setdiff1d(np.arange(len(raw)), list(rules))
        good = [raw[index] for index in kept.tolist()]
        texts = _texts(b"\n".join(good), good, columns, self)
        return CsvChunk(texts, good, numbers[kept], lines[kept], faults)

    def _rule(self, fields: int) -> str:
        if not fields:
            return "has a quote that is not closed"
        return f"has {fields} values, but the first line names {len(self.names)} columns"

    def _without_first_line(self, columns: Sequence[int]) -> CsvChunk:
        """Set aside the line that the text begins with: a row that does not end within a chunk."""
        start = self._text
        line, separator, self._text = partition_line(start)
        while not separator and (block := self._next_block()):
            _, separator, self._text = partition_line(block)
        rule = self._rule(0) if line != start else f"is longer than {self._size:,} bytes"
        fault = Fault(self._row, self._line + 1, short(line), rule)
        self._row += 1
        self._line += 1
        none: Positions = np.array([], dtype=np.int64)
        return CsvChunk(_texts(b"", [], columns, self), [], none, none, [fault])


def _texts(
    text: bytes, rows: Sequence[bytes], columns: Sequence[int], reader: CsvReader
) -> pa.RecordBatch:
    """Return columns of rows that are whole, as strings."""
    names = [reader.names[index] for index in columns]
    keys = [str(index) for index in range(len(reader.names))]
    found: pa.Table | None = None
    if rows and columns:
        try:
            found = pyarrow.csv.read_csv(
                pa.BufferReader(text),
                pyarrow.csv.ReadOptions(
                    column_names=keys, use_threads=False, block_size=len(text) + 1
                ),
                pyarrow.csv.ParseOptions(
                    delimiter=reader.delimiter.decode(), newlines_in_values=True
                ),
                pyarrow.csv.ConvertOptions(
                    column_types=dict.fromkeys(keys, pa.string()),
                    strings_can_be_null=False,
                    include_columns=[keys[index] for index in columns],
                ),
            )
        except pa.ArrowException:
            found = None
    if found is None or found.num_rows != len(rows):
        cells = [split_row(row, reader.delimiter) for row in rows]
        arrays = [pa.array([row[index] for row in cells], pa.string()) for index in columns]
    else:
        arrays = [column.combine_chunks() for column in found.columns]
    return pa.RecordBatch.from_arrays(arrays, names=names)


def contract_texts(texts: pa.RecordBatch, reader: CsvReader) -> dict[str, pa.Array]:
    """Return the contract's columns among `texts` by its names; numbers have a decimal point."""
    found = find_columns(texts.schema.names)
    columns = {name: texts.column(at) for name, at in found.items()}
    if reader.decimal == ".":
        return columns
    return {
        name: pc.replace_substring(column, ",", ".") if name != CATEGORY else column
        for name, column in columns.items()
    }


def priced_rows(
    reader: CsvReader, raw: Sequence[bytes], names: Sequence[str], added: Sequence[pa.Array]
) -> bytes:
    """Return CSV text of the first line and these rows, byte for byte, with columns added.

    Args:
        reader: the file that the rows are from; its delimiter and decimal sign are kept.
        raw: the rows.
        names: of the columns to add.
        added: numbers, (rows,) each; null becomes an empty field.
    """
    point = reader.decimal.encode()
    quote = b'"' if reader.delimiter == point else b""
    cells = (
        [
            b"" if value is None else quote + repr(value).encode().replace(b".", point) + quote
            for value in column
        ]
        for column in (item.to_pylist() for item in added)
    )
    rows = zip(raw, *cells, strict=True)
    header = (reader.header, *(name.encode() for name in names))
    lines = [reader.delimiter.join(row) for row in (header, *rows)]
    return reader.line_end.join([*lines, b""])
