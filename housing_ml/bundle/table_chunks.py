"""Tables in files of any size, local or `gs://`, a chunk at a time.

Objects on Google Cloud Storage are reached with the machine's application default credentials.
"""

from __future__ import annotations

import posixpath
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from pyarrow.fs import FileSelector, FileSystem, FileType, LocalFileSystem

from housing_ml.data.contract import COLUMNS
from housing_ml.errors import HousingError

if TYPE_CHECKING:
    from collections.abc import Iterator

CHUNK_ROWS = 262_144
"""Rows of a Parquet file that make a chunk."""

CHUNK_BYTES = 8 * 1024**2
"""Bytes of a CSV file that make a chunk."""

_MISSING = ["", "nan", "NaN", "<NA>"]


class PlaceError(HousingError, OSError):
    """An address that is no path and no gs:// address."""


def encode(table: pa.Table, name: str) -> bytes:
    """Return the table as the bytes of a .csv or, by any other name, of a Parquet file."""
    sink = pa.BufferOutputStream()
    if name.endswith(".csv"):
        pyarrow.csv.write_csv(table, sink)
    else:
        texts = [field.name for field in table.schema if pa.types.is_string(field.type)]
        pq.write_table(table, sink, use_dictionary=texts)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def read_chunks(file: str) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a .csv or .parquet file, the same chunks at each reading."""
    system, path = locate(file)
    return (_csv_chunks if path.endswith(".csv") else _parquet_chunks)(system, path)


def _parquet_chunks(system: FileSystem, path: str) -> Iterator[pa.RecordBatch]:
    """Yield batches; bytes that were read ahead would be kept until the end of the file."""
    with (
        system.open_input_file(path) as stream,
        pq.ParquetFile(stream, pre_buffer=False) as file,
    ):
        yield from file.iter_batches(CHUNK_ROWS)


def _csv_chunks(system: FileSystem, path: str) -> Iterator[pa.RecordBatch]:
    """Yield batches whose contract columns are text: a number's type is not guessed."""
    options = pyarrow.csv.ConvertOptions(
        column_types=dict.fromkeys(COLUMNS, pa.string()),
        null_values=_MISSING,
        strings_can_be_null=True,
    )
    read = pyarrow.csv.ReadOptions(block_size=CHUNK_BYTES)
    with (
        system.open_input_stream(path) as stream,
        closing(pyarrow.csv.open_csv(stream, read, convert_options=options)) as reader,
    ):
        yield from reader


def locate(place: str) -> tuple[FileSystem, str]:
    """Return the file system of a path or gs:// address, and the path in it."""
    if "://" in place:
        try:
            return FileSystem.from_uri(place)  # type: ignore[no-any-return]
        except (ValueError, OSError, pa.ArrowException) as error:
            raise PlaceError(f"{place}: is no path and no gs:// address: {error}") from error
    return LocalFileSystem(), str(Path(place).absolute())


def listing(system: FileSystem, folder: str) -> Iterator[Any]:
    """Yield the files directly in a folder whose names do not begin with a dot or underscore."""
    for item in system.get_file_info(FileSelector(folder)):
        if item.type is FileType.File and not item.base_name.startswith(("_", ".")):
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
