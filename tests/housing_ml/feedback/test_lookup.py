"""A prediction is found by its id among all that were logged, with the price that came for it."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from housing_ml.cli import app
from housing_ml.data.contract import COLUMNS, to_matrix
from housing_ml.feedback.actual_prices import Feedback, FeedbackStore
from housing_ml.feedback.lookup import find_prediction
from housing_ml.feedback.prediction_log import LogError
from housing_ml.storage.versioned import LocalReleases
from serve.prediction_log import parquet
from serve.prediction_log.segments import Entry, to_columns

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

TUESDAY = datetime(2026, 11, 24, 23, 59, 50, tzinfo=UTC)


def log(storage: LocalReleases, rows: pd.DataFrame, moment: datetime, folder: date) -> list[str]:
    """Log rows at a moment, in a file that was begun on a day; return their ids."""
    ids = [f"{moment:%d%H%M}-{row}" for row in range(len(rows))]
    outputs = np.outer(np.arange(len(rows)) + 1, [200_000.0, 150_000.0, 260_000.0])
    numbers = np.column_stack([to_matrix(rows), outputs]).tobytes()
    entry = Entry(moment.timestamp(), "1", "champion", ids, numbers)
    content = parquet.encode(to_columns([entry]))
    storage.write(f"predictions/date={folder}/{moment:%H%M}.parquet", content)
    return ids


@pytest.fixture
def storage(tmp_path: Path) -> LocalReleases:
    return LocalReleases(tmp_path / "storage" / "releases")


def test_row_price_version_time_and_actual_price_are_as_they_were(
    storage: LocalReleases, housing_frame: pd.DataFrame
) -> None:
    for back in range(3):
        moment = TUESDAY - timedelta(days=back)
        ids = log(storage, housing_frame[:20], moment, moment.date())
    FeedbackStore(storage).add([Feedback(ids[7], 300_000.0)])

    found = find_prediction(storage, ids[7])

    assert found is not None
    assert found.at == TUESDAY - timedelta(days=2)
    assert (found.model_version, found.channel) == ("1", "champion")
    assert (found.lower, found.predicted_price, found.upper) == (1.2e6, 1.6e6, 2.08e6)
    assert found.row == housing_frame.iloc[7][list(COLUMNS)].to_dict()
    assert (found.actual_price, found.actual_from) == (300_000.0, "")


def test_the_day_narrows_the_search_and_reaches_files_begun_the_day_before(
    storage: LocalReleases, housing_frame: pd.DataFrame
) -> None:
    late = TUESDAY + timedelta(minutes=1)  # Wednesday, in a file of Tuesday
    (name, *_) = log(storage, housing_frame[:5], late, TUESDAY.date())

    assert find_prediction(storage, name, late.date()) is not None
    assert find_prediction(storage, name, date(2026, 11, 20)) is None
    assert find_prediction(storage, "another") is None


def test_a_log_of_a_newer_format_is_refused_with_what_it_needs(
    storage: LocalReleases, housing_frame: pd.DataFrame
) -> None:
    (name,) = log(storage, housing_frame[:1], TUESDAY, TUESDAY.date())
    (file,) = storage.names(f"predictions/date={TUESDAY.date()}")
    found = storage.read(file)
    assert found
    newer = pq.read_table(pa.BufferReader(found.content)).replace_schema_metadata(
        {"format": "99", "needs": "9.0.0"}
    )
    sink = pa.BufferOutputStream()
    pq.write_table(newer, sink)
    storage.write(file, sink.getvalue().to_pybytes())

    with pytest.raises(LogError, match=r"format 99, .* housing-ml 9\.0\.0"):
        find_prediction(storage, name)


def test_missing_bedrooms_are_missing(storage: LocalReleases, housing_frame: pd.DataFrame) -> None:
    rows = housing_frame[housing_frame["total_bedrooms"].isna()][:1]
    (name,) = log(storage, rows, TUESDAY, TUESDAY.date())

    found = find_prediction(storage, name)

    assert found is not None
    assert found.row["total_bedrooms"] is None


def test_the_command_explains_the_price_by_the_version_that_gave_it(
    old_home: Path,
    housing_frame: pd.DataFrame,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    releases = LocalReleases(old_home / "storage" / "releases")
    (name,) = log(releases, housing_frame[:1], TUESDAY, TUESDAY.date())
    monkeypatch.setenv("HOUSING_HOME", str(old_home))

    app(["prediction", name, "--json"], result_action="return_value")

    said = json.loads(capsys.readouterr().out)
    whole = said["base_price"] + sum(said["contributions"].values())
    assert whole == pytest.approx(437_207.82, abs=0.01)
    assert len(said["comparables"]) == 5
    assert said["predicted_price"] == 200_000.0
