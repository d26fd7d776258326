"""The one table in a source's bytes: a .csv, a .parquet, or a .tgz that holds one of them.

An archive is unpacked in memory, so that its paths and links cannot reach a file of this machine.
"""

from __future__ import annotations

import gzip
import io
import tarfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from housing_ml.data.source import SourceError, file_name, read_limited

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_ROWS = 50_000_000
"""Rows of a Parquet file: a few bytes of it can stand for more than any memory holds."""

_ARCHIVES = (".tgz", ".tar.gz")


def read_table(address: str, content: bytes) -> pd.DataFrame:
    """Return the table in the bytes of the source at `address`, with all its columns as they are.

    A CSV's column is text where any of its values is no number.

    Raises:
        SourceError: when the bytes are no such file, or a damaged or huge one.
    """
    try:
        name = file_name(address)
        if name.endswith(_ARCHIVES):
            name, content = _unpack(content)
        frame = _parser(name)(content)
    except SourceError as error:
        raise SourceError(f"{address}: {error}") from None
    except (ValueError, OSError, pa.ArrowException) as error:
        reason = str(error).strip().partition("\n")[0]
        raise SourceError(f"{address}: cannot be read as a table: {reason}") from None
    twice = frame.columns[frame.columns.duplicated()]
    if len(twice):
        raise SourceError(f"{address}: has two columns named {twice[0]}: leave one")
    return frame


def _unpack(content: bytes) -> tuple[str, bytes]:
    """Return name and bytes of the one table in a gzipped tar.

    All of the archive is read, so that its checksum is compared.
    """
    try:
        with gzip.open(io.BytesIO(content)) as packed:
            unpacked = read_limited(packed, "the unpacked archive")
        with tarfile.open(fileobj=io.BytesIO(unpacked), mode="r:") as archive:
            tables = [member for member in archive if member.isreg() and _is_table(member.name)]
            if len(tables) != 1:
                raise SourceError(
                    f"the archive holds {len(tables)} tables ({', '.join(_PARSERS)}), but needs one"
                )
            file = archive.extractfile(tables[0])
            return tables[0].name.lower(), read_limited(file, tables[0].name) if file else b""
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise SourceError(
            f"the archive is truncated or damaged ({error}): download it again"
        ) from error


def _is_table(name: str) -> bool:
    path = Path(name.lower())
    return path.suffix in _PARSERS and not path.name.startswith(".")


def _parser(name: str) -> Callable[[bytes], pd.DataFrame]:
    try:
        return _PARSERS[Path(name).suffix]
    except KeyError:
        raise SourceError("the data need to be .tgz, .csv or .parquet") from None


def _read_csv(content: bytes) -> pd.DataFrame:
    frame = pd.read_csv(io.BytesIO(content), low_memory=False)
    if not isinstance(frame.index, pd.RangeIndex):  # what pandas makes of the values too many
        raise SourceError("the rows have more values than the first line has names")
    return frame


def _read_parquet(content: bytes) -> pd.DataFrame:
    file = pq.ParquetFile(io.BytesIO(content))
    if file.metadata.num_rows > MAX_ROWS:
        raise SourceError(f"has {file.metadata.num_rows:,} rows, more than {MAX_ROWS:,}")
    frame: pd.DataFrame = file.read().to_pandas(ignore_metadata=True)
    return frame


_PARSERS = {".csv": _read_csv, ".parquet": _read_parquet}
