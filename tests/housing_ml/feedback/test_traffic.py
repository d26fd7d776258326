"""The sample of the prediction log that a candidate must price."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest

from housing_ml.data.contract import COLUMNS, to_matrix
from housing_ml.feedback.traffic import recent_traffic
from housing_ml.storage.versioned import LocalReleases
from serve.prediction_log import parquet
from serve.prediction_log.segments import Entry, to_columns

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


class Log:
    """A prediction log in a folder."""

    def __init__(self, folder: Path, rows: pd.DataFrame) -> None:
        self.storage = LocalReleases(folder)
        self._rows = rows

    def write(self, first: int, size: int, age: timedelta, channel: str = "champion") -> None:
        rows = self._rows[first : first + size]
        prices = np.tile(100_000.0 + np.arange(first, first + size), (3, 1))
        ids = [f"id-{row}" for row in range(first, first + size)]
        version = "2" if channel == "shadow" else "1"
        entry = Entry.of(version, channel, ids, to_matrix(rows), tuple(prices))
        moment = NOW - age
        entry = msgspec.structs.replace(entry, time=moment.timestamp())
        name = f"predictions/date={moment.date()}/{channel}-{first}.parquet"
        self.storage.write(name, parquet.encode(to_columns([entry])))

    def read(self, most: int = 100_000) -> pd.DataFrame | None:
        return recent_traffic(self.storage, NOW, days=7, most=most)


@pytest.fixture
def log(tmp_path: Path, housing_frame: pd.DataFrame) -> Log:
    return Log(tmp_path, housing_frame)


def test_without_a_log_there_is_no_traffic(log: Log) -> None:
    assert log.read() is None


def test_the_rows_of_the_last_days_are_there_as_they_were_asked_for(
    log: Log, housing_frame: pd.DataFrame
) -> None:
    log.write(0, 300, timedelta(hours=1))
    log.write(300, 100, timedelta(days=6, hours=23))
    log.write(400, 100, timedelta(days=7, minutes=1))

    found = log.read()

    assert found is not None
    ordered = found.sort_values("predicted_price")
    expected = to_matrix(housing_frame[:400])
    np.testing.assert_array_equal(to_matrix(ordered[list(COLUMNS)]), expected)
    assert set(found["model_version"]) == {"1"}


def test_of_many_rows_a_sample_by_chance_is_taken_always_the_same(log: Log) -> None:
    for part in range(10):
        log.write(1000 * part, 1000, timedelta(hours=part))

    found, again = log.read(500), log.read(500)

    assert found is not None
    assert again is not None
    assert len(found) == 500
    assert found.equals(again)
    per_file = np.bincount(((found["predicted_price"] - 100_000) // 1000).astype(int))
    assert per_file.min() > 20


def test_what_a_shadow_priced_too_is_there_once(log: Log) -> None:
    log.write(0, 50, timedelta(hours=1))
    log.write(0, 50, timedelta(hours=1), "shadow")

    found = log.read()

    assert found is not None
    assert found["model_version"].tolist() == ["1"] * 50


def test_a_file_that_cannot_be_read_is_left_out(log: Log) -> None:
    log.write(0, 50, timedelta(hours=1))
    log.storage.write(f"predictions/date={NOW.date()}/broken.parquet", b"PAR1")

    found = log.read()

    assert found is not None
    assert len(found) == 50
