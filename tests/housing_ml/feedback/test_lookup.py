"""A prediction is found by its id among all that were logged, with the price that came for it."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from housing_ml.cli import app
from housing_ml.data.contract import COLUMNS, to_matrix
from housing_ml.feedback.actual_prices import Feedback, FeedbackStore
from housing_ml.feedback.lookup import find_prediction
from housing_ml.feedback.plain_log import as_plain
from housing_ml.feedback.prediction_ids import PredictionIds, day_of
from housing_ml.feedback.prediction_log import LogError
from housing_ml.storage.versioned import LocalReleases
from serve.prediction_log import parquet
from serve.prediction_log.segments import Entry, to_columns
from tests.conftest import KEPT_PRICES

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


def test_no_day_is_searched_but_the_one_that_an_id_says(
    storage: LocalReleases, housing_frame: pd.DataFrame
) -> None:
    raw = to_matrix(housing_frame[:20])
    ids = PredictionIds([b"key"]).issue("shop", "1", raw)
    now = datetime.now(UTC)
    assert {day_of(name) for name in ids} <= {now.date(), (now - timedelta(minutes=5)).date()}
    assert day_of("no id") is None
    log(storage, housing_frame[:5], TUESDAY, TUESDAY.date())
    (damaged,) = storage.names(f"predictions/date={TUESDAY.date()}")
    storage.write(damaged, b"no Parquet file")
    entry = Entry(now.timestamp(), "1", "champion", ids, np.ones((20, 12)).tobytes())
    storage.write(f"predictions/date={now:%Y-%m-%d}/a.parquet", parquet.encode(to_columns([entry])))

    assert find_prediction(storage, ids[7]) is not None  # no other day was read
    assert find_prediction(storage, PredictionIds([b"key"]).issue("shop", "1", raw)[0]) is None
    with pytest.raises(LogError, match="no Parquet file"):
        find_prediction(storage, "an-older-version-0")  # says none: all are searched


def test_a_day_that_was_put_together_is_found_by_row_groups(
    storage: LocalReleases, housing_frame: pd.DataFrame
) -> None:
    ids = log(storage, housing_frame, TUESDAY, TUESDAY.date())
    (name,) = storage.names(f"predictions/date={TUESDAY.date()}")
    loose = storage.read(name)
    assert loose
    content = as_plain(loose.content)
    metadata = pq.ParquetFile(pa.BufferReader(content)).metadata
    groups = [metadata.row_group(at).column(0).statistics for at in range(metadata.num_row_groups)]
    assert len(groups) == 3
    assert all(one.max < next_.min for one, next_ in pairwise(groups))
    before = find_prediction(storage, ids[12_345])
    storage.write(name, content)

    assert find_prediction(storage, ids[12_345]) == before
    assert find_prediction(storage, "31") is None


@pytest.mark.parametrize("packing", [{}, {"compression": "zstd"}, {"use_dictionary": False}])
def test_the_command_reads_a_day_that_is_packed_in_another_way(
    storage: LocalReleases, housing_frame: pd.DataFrame, packing: dict[str, Any]
) -> None:
    (first, *_) = log(storage, housing_frame[:50], TUESDAY, TUESDAY.date())
    (name,) = storage.names(f"predictions/date={TUESDAY.date()}")
    loose = storage.read(name)
    assert loose
    sink = pa.BufferOutputStream()
    pq.write_table(pq.read_table(pa.BufferReader(loose.content)), sink, **packing)
    storage.write(name, sink.getvalue().to_pybytes())

    with pytest.raises(LogError, match="not written as it is read here"):
        find_prediction(storage, first)
    found = find_prediction(storage, first, as_plain=as_plain)
    assert found is not None
    assert found.row == housing_frame.iloc[0][list(COLUMNS)].to_dict()


def test_the_command_explains_the_price_by_the_version_that_gave_it(
    old_home: Path,
    kept: str,
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
    assert whole == pytest.approx(KEPT_PRICES[kept], abs=0.01)
    assert len(said["comparables"]) == 5
    assert said["predicted_price"] == 200_000.0
