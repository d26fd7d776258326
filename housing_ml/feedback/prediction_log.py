"""Reading the service's prediction log from storage: a batch of one file at a time, never all.

Files are immutable and lie in a folder for each day in UTC on which they were begun.
"""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from housing_ml.data.contract import CATEGORIES, CATEGORY, COLUMNS, NUMERIC, category_codes
from housing_ml.feedback.log_format import FOLDER, FORMAT, OUTPUTS, LogError
from housing_ml.formats import Stamp

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import date

    from numpy.typing import NDArray

    from housing_ml.data.contract import Matrix
    from housing_ml.storage.versioned import ReleaseStorage

_BATCH_ROWS = 65_536
_TEXTS = ("model_version", CATEGORY)


class GoneError(LogError):
    """A file that was there, and has become a part of another one."""


class LogRows(NamedTuple):
    """Some rows of the log."""

    ids: pa.Array
    microseconds: NDArray[np.int64]
    """When it was predicted, since 1970, (rows,)."""
    version: NDArray[np.intp]
    """Index in `versions`, (rows,)."""
    versions: tuple[str, ...]
    raw: Matrix
    outputs: NDArray[np.float64]
    """Predicted price, lower and upper bound in dollars, (rows, 3)."""


class Horizon(NamedTuple):
    """The windows that are looked at: half-open, from `start` to the end of the open one."""

    start: datetime
    now: datetime
    width: timedelta

    @classmethod
    def until(cls, now: datetime, minutes: float, windows: int) -> Horizon:
        """Return the horizon of the last finished windows of that length, and the open one."""
        width = timedelta(minutes=minutes)
        epoch = datetime.fromtimestamp(0, UTC)
        opened = epoch + (now - epoch) // width * width
        return cls(opened - windows * width, now, width)

    @classmethod
    def of_days(cls, now: datetime, days: int) -> Horizon:
        """Return the horizon of the last whole days in UTC, and today."""
        return cls.until(now, 24 * 60, days)

    def days(self) -> Iterator[date]:
        """Yield the days whose folders may hold rows of the horizon, and one more for clocks."""
        day = (self.start - timedelta(days=1)).date()
        while day <= (self.now + timedelta(days=1)).date():
            yield day
            day += timedelta(days=1)

    def finished(self, start: datetime) -> bool:
        """Whether the window that begins at `start` is over."""
        return start + self.width <= self.now

    def windows(self, rows: LogRows) -> NDArray[np.int64]:
        """Return the index of each row's window, (rows,); -1 outside the horizon."""
        first = round(self.start.timestamp() * 1e6)
        index = (rows.microseconds - first) // round(self.width.total_seconds() * 1e6)
        last = (self.now - self.start) // self.width + 1  # clocks differ a little
        return np.where((index >= 0) & (index <= last), index, -1)

    def window_start(self, index: int) -> datetime:
        """Return when a window begins."""
        return self.start + index * self.width


def log_files(storage: ReleaseStorage, days: Iterable[date]) -> list[str]:
    """Return the names of the log's files of these days, sorted."""
    known = set(storage.folders(FOLDER))
    wanted = (f"{FOLDER}/date={day.isoformat()}" for day in days)
    names = (storage.names(folder) for folder in wanted if folder in known)
    return sorted(name for found in names for name in found if name.endswith(".parquet"))


def columns_of(raw: Matrix) -> dict[str, NDArray[Any]]:
    """Return rows (rows, 9) by the contract's columns; an unknown category is an empty text."""
    names = np.array([*CATEGORIES, ""], dtype=object)  # code -1 is the last
    numbers = dict(zip(NUMERIC, raw.T[:-1], strict=True))
    return {**numbers, CATEGORY: names[raw[:, -1].astype(np.intp)]}


def read_log(storage: ReleaseStorage, name: str) -> Iterator[LogRows]:
    """Yield the rows of a file, some ten thousand at a time.

    Raises:
        LogError: when it is not there, damaged, lacks a column, or is of a newer format.
    """
    wanted = ["prediction_id", "time", *_TEXTS, *NUMERIC, *OUTPUTS]
    with opened(storage, name, read_dictionary=[*_TEXTS]) as file:
        for batch in file.iter_batches(_BATCH_ROWS, columns=wanted):
            yield _rows(batch)


@contextmanager
def opened(storage: ReleaseStorage, name: str, **options: Any) -> Iterator[pq.ParquetFile]:
    """Open a file of the log; `options` are those of `ParquetFile`.

    Raises:
        GoneError: when it is not there.
        LogError: when it is damaged, lacks a column, or is of a newer format.
    """
    found = storage.read(name)
    if found is None:
        raise GoneError(f"{name}: no longer there")
    try:
        file = pq.ParquetFile(pa.BufferReader(found.content), **options)
        if refusal := FORMAT.refusal(name, stamp(file)):
            raise LogError(refusal)
        yield file
    except (pa.ArrowException, KeyError, OSError, msgspec.ValidationError) as error:
        raise LogError(f"{name}: {error}") from error


def stamp(file: pq.ParquetFile) -> Stamp:
    """Return what a file of the log says of itself."""
    said = {key.decode(): value.decode() for key, value in (file.metadata.metadata or {}).items()}
    return msgspec.convert(said, Stamp, strict=False)


def _rows(batch: pa.RecordBatch) -> LogRows:
    version, category = (batch.column(name) for name in _TEXTS)
    raw = np.empty((len(batch), len(COLUMNS)))
    for index, name in enumerate(NUMERIC):
        raw[:, index] = batch.column(name).to_numpy()
    raw[:, -1] = category_codes(category.dictionary.to_pylist())[category.indices.to_numpy()]
    outputs = np.column_stack([batch.column(name).to_numpy() for name in OUTPUTS])
    return LogRows(
        ids=batch.column("prediction_id"),
        microseconds=batch.column("time").cast(pa.int64()).to_numpy(),
        version=version.indices.to_numpy().astype(np.intp),
        versions=tuple(version.dictionary.to_pylist()),
        raw=raw,
        outputs=outputs,
    )
