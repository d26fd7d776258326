"""Tables in files of any size, local or `gs://`, a chunk at a time.

Objects on Google Cloud Storage are reached with the machine's application default credentials.
"""

from __future__ import annotations

import io
import posixpath
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow.fs import FileSelector, FileSystem, FileType, LocalFileSystem

from housing_ml.data.columns import find_columns
from housing_ml.data.csv_table import CsvReader, contract_texts, priced_rows
from housing_ml.errors import HousingError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from housing_ml.data.csv_faults import Fault
    from housing_ml.data.csv_rows import Positions
    from housing_ml.data.csv_table import CsvChunk

CHUNK_ROWS = 262_144
"""Rows of a Parquet file that make a chunk."""

CHUNK_BYTES = 8 * 1024**2
"""Bytes of a CSV file that make a chunk."""


RESULTS_MARK = "_job.json"
"""File that a folder with the results of a scoring holds."""

_PACKED = {".gz": "gzip", ".zst": "zstd"}


class PlaceError(HousingError, OSError):
    """An address that is no path and no gs:// address."""


class Chunk(Protocol):
    """Some rows of a file, in their order."""

    names: Sequence[str]
    """All columns of the file."""
    columns: dict[str, pa.Array]
    """Those of the contract, by its names; of a CSV file as text."""
    numbers: Positions
    """Numbers of the rows in the file, from 0."""
    lines: Positions | None
    """Numbers of their lines, from 1, where the file has lines."""
    faults: list[Fault]
    """Rows that cannot be read, and are none of these."""
    dialect: str
    """What is unusual in how the file is written, for a person; empty where nothing is."""
    behind: float
    """Share of the file's bytes or rows that is read up to here, as a fraction."""

    def encode(self, names: Sequence[str], added: Sequence[pa.Array]) -> bytes:
        """Return the bytes of a file with these rows as they came, and columns beside them."""


class ParquetChunk(Chunk):
    """Rows of a Parquet file; every column keeps its type."""

    def __init__(self, batch: pa.RecordBatch, first: int, rows: int) -> None:
        self._batch = batch
        self.names = batch.schema.names
        self.columns = {name: batch.column(at) for name, at in find_columns(self.names).items()}
        self.numbers = first + np.arange(batch.num_rows)
        self.lines = None
        self.faults = []
        self.dialect = ""
        self.behind = (first + batch.num_rows) / rows

    def encode(self, names: Sequence[str], added: Sequence[pa.Array]) -> bytes:
        """Return a Parquet file."""
        schema = self._batch.schema
        for name, column in zip(names, added, strict=True):
            schema = schema.append(pa.field(name, column.type))
        table = pa.Table.from_arrays([*self._batch.columns, *added], schema=schema)
        texts = [field.name for field in schema if pa.types.is_string(field.type)]
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, use_dictionary=texts)
        content: bytes = sink.getvalue().to_pybytes()
        return content


class TextChunk(Chunk):
    """Rows of a CSV file; each is written again byte for byte."""

    def __init__(self, chunk: CsvChunk, reader: CsvReader, behind: float) -> None:
        self._raw, self._reader = chunk.raw, reader
        self.names, self.dialect = reader.names, reader.dialect
        self.columns = contract_texts(chunk.texts, reader)
        self.numbers, self.lines, self.faults = chunk.numbers, chunk.lines, chunk.faults
        self.behind = behind

    def encode(self, names: Sequence[str], added: Sequence[pa.Array]) -> bytes:
        """Return CSV text in the file's own delimiter and decimal sign."""
        return priced_rows(self._reader, self._raw, names, added)


def read_chunks(file: str) -> Iterator[Chunk]:
    """Yield the rows of a .csv or .parquet file, the same chunks at each reading."""
    system, path = locate(file)
    return (_parquet_chunks if path.lower().endswith(".parquet") else _csv_chunks)(system, path)


def _parquet_chunks(system: FileSystem, path: str) -> Iterator[Chunk]:
    """Yield batches; bytes that were read ahead would be kept until the end of the file."""
    with (
        system.open_input_file(path) as stream,
        pq.ParquetFile(stream, pre_buffer=False) as file,
    ):
        first = 0
        for batch in file.iter_batches(CHUNK_ROWS):
            yield ParquetChunk(batch, first, file.metadata.num_rows)
            first += batch.num_rows


def _csv_chunks(system: FileSystem, path: str) -> Iterator[Chunk]:
    """Yield text; what is compressed is read as what it holds."""
    packed = next((how for end, how in _PACKED.items() if path.lower().endswith(end)), None)
    size = max(system.get_file_info(path).size, 1)
    with system.open_input_stream(path, compression=None) as stream:
        file = _Counted(stream)
        source = pa.PythonFile(file, "r")
        unpacked = pa.CompressedInputStream(source, packed) if packed else file
        reader = CsvReader(unpacked.read, CHUNK_BYTES)
        positions = find_columns(reader.names)
        for chunk in reader.chunks(list(positions.values())):
            yield TextChunk(chunk, reader, file.count / size)


class _Counted(io.RawIOBase):
    """A stream that knows how many bytes were read of it."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.count = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        content: bytes = self._stream.read(size)
        self.count += len(content)
        return content


def locate(place: str) -> tuple[FileSystem, str]:
    """Return the file system of a path or gs:// address, and the path in it."""
    if "://" in place:
        try:
            return FileSystem.from_uri(place)  # type: ignore[no-any-return]
        except (ValueError, OSError, pa.ArrowException) as error:
            raise PlaceError(f"{place}: is no path and no gs:// address: {error}") from error
    return LocalFileSystem(), str(Path(place).absolute())


def listing(system: FileSystem, folder: str, *, recursive: bool = False) -> Iterator[Any]:
    """Yield a folder's files but those whose names, or folders, begin with a dot or underscore.

    Sub-folders that hold the results of a scoring are left out.
    """
    found = system.get_file_info(FileSelector(folder, recursive=recursive))
    results = tuple(
        f"{posixpath.dirname(item.path)}/" for item in found if item.base_name == RESULTS_MARK
    )
    for item in found:
        inner = posixpath.relpath(item.path, folder).split("/")
        hidden = any(part.startswith(("_", ".")) for part in inner)
        if item.type is FileType.File and not hidden and not item.path.startswith(results):
            yield item


def read(system: FileSystem, path: str) -> bytes | None:
    """Return a file's bytes, or None when there is no such file."""
    if system.get_file_info(path).type is FileType.NotFound:
        return None
    with system.open_input_stream(path) as stream:
        content: bytes = stream.read()
    return content


def write(system: FileSystem, path: str, content: bytes) -> None:
    """Write under another name first, so that `path` is there as a whole or not at all."""
    folder, name = posixpath.split(path)
    temporary = posixpath.join(folder, f".{name}.part")
    with system.open_output_stream(temporary) as stream:
        stream.write(content)
    system.move(temporary, path)
