"""The one table in a source's bytes: a .csv, a .parquet or an .xlsx, or what holds one of them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from housing_ml.data.archive import unpacked
from housing_ml.data.columns import find_columns
from housing_ml.data.contract import CATEGORY, ContractError
from housing_ml.data.csv_table import CsvReader, contract_texts
from housing_ml.data.excel import as_csv
from housing_ml.data.source import SourceError, file_name
from housing_ml.data.values import to_floats

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from housing_ml.data.csv_faults import Fault
    from housing_ml.data.csv_rows import Positions

MAX_ROWS = 50_000_000
"""Rows of a Parquet file: a few bytes of it can stand for more than any memory holds."""


class Table(NamedTuple):
    """A whole table in memory."""

    frame: pd.DataFrame
    """The contract's columns by its names, as numbers where all are; the others as they came."""
    names: list[str]
    """The columns' names as the file has them."""
    faults: list[Fault]
    """Rows of a CSV file that cannot be read, and are not in the frame."""
    numbers: Positions
    """Numbers of the frame's rows in the file, from 0."""
    content: CsvReader | pa.Table
    """A Parquet file's content, or how the CSV file is written."""
    raw: list[bytes]
    """A CSV file's rows, byte for byte."""

    @property
    def dialect(self) -> str:
        """What is unusual in how a CSV file is written; empty where nothing is."""
        return self.content.dialect if isinstance(self.content, CsvReader) else ""


def read_table(address: str, content: bytes) -> pd.DataFrame:
    """Return the frame of `read_rows`, which has every row.

    Raises:
        SourceError: as `read_rows` does, and when a row cannot be read.
    """
    table = read_rows(address, content)
    for fault in table.faults:
        raise SourceError(
            f"{address}: line {fault.line} {fault.rule} ({len(table.faults):,} such rows): "
            "mend or remove them"
        )
    return table.frame


def read_rows(address: str, content: bytes) -> Table:
    """Return the table in the bytes of the source at `address`, with all its columns.

    Raises:
        SourceError: when the bytes are no such file, or a damaged or huge one.
    """
    try:
        found = unpacked(file_name(address), content, _PARSERS)
        return _parser(found.name)(found.content)
    except (SourceError, ContractError) as error:
        raise SourceError(f"{address}: {error}") from None
    except (ValueError, OSError, pa.ArrowException) as error:
        reason = str(error).strip().partition("\n")[0]
        raise SourceError(f"{address}: cannot be read as a table: {reason}") from None


def _parser(name: str) -> Callable[[bytes], Table]:
    try:
        return _PARSERS[Path(name).suffix]
    except KeyError:
        raise SourceError(
            "the data need to be .csv, .parquet or .xlsx, or .tsv and .data, which are read as "
            "CSV; as they are or in a .tgz, .zip or .gz"
        ) from None


def _read_csv(content: bytes) -> Table:
    reader = CsvReader(io.BytesIO(content).read)
    find_columns(reader.names)
    chunks = list(reader.chunks())
    texts = pa.Table.from_batches([_uniquely_named(chunk.texts) for chunk in chunks])
    frame = texts.to_pandas()
    frame.columns = pd.Index(reader.names, dtype=object)
    found = [contract_texts(chunk.texts, reader) for chunk in chunks]
    for name, at in find_columns(reader.names).items():
        values = np.concatenate([columns[name].to_numpy(zero_copy_only=False) for columns in found])
        frame.isetitem(at, values if name == CATEGORY else _numbers(values))
    return Table(
        _renamed(frame),
        reader.names,
        [fault for chunk in chunks for fault in chunk.faults],
        np.concatenate([chunk.numbers for chunk in chunks]),
        reader,
        [row for chunk in chunks for row in chunk.raw],
    )


def _uniquely_named(texts: pa.RecordBatch) -> pa.RecordBatch:
    return texts.rename_columns([str(index) for index in range(texts.num_columns)])


def _numbers(values: NDArray[Any]) -> NDArray[Any]:
    """Return float64 where all texts are numbers or missing, else the texts themselves."""
    floats, not_numbers = to_floats(values)
    return values if not_numbers.any() else floats


def _renamed(frame: pd.DataFrame) -> pd.DataFrame:
    """Give the contract's columns its names."""
    names = list(map(str, frame.columns))
    for name, at in find_columns(names).items():
        names[at] = name
    return frame.set_axis(names, axis=1)


def _read_parquet(content: bytes) -> Table:
    file = pq.ParquetFile(io.BytesIO(content))
    if file.metadata.num_rows > MAX_ROWS:
        raise SourceError(f"has {file.metadata.num_rows:,} rows, more than {MAX_ROWS:,}")
    table = file.read()
    frame = _renamed(table.to_pandas(ignore_metadata=True))
    return Table(frame, table.column_names, [], np.arange(len(frame)), table, [])


def _read_excel(content: bytes) -> Table:
    return _read_csv(as_csv(content))


_PARSERS = {
    **dict.fromkeys([".csv", ".tsv", ".data"], _read_csv),
    ".parquet": _read_parquet,
    ".xlsx": _read_excel,
}
