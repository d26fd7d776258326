"""Rows for a retrain: each block group once, the newest price, the contract kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pandas as pd
import pytest

from housing_ml.data.checks import check
from housing_ml.data.contract import CATEGORY, COLUMNS, IDENTITY, TARGET, to_matrix
from housing_ml.feedback.actual_prices import Batch, Feedback
from housing_ml.feedback.corroboration import REVIEWER, SENDER
from housing_ml.feedback.labelled_rows import RECEIVED, labelled_rows, merge, read_labelled
from housing_ml.feedback.review import decide
from housing_ml.storage.versioned import LocalReleases
from serve.prediction_log import parquet
from serve.prediction_log.segments import Entry, to_columns

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 4, 10, tzinfo=UTC)


@pytest.fixture
def storage(tmp_path: Path) -> LocalReleases:
    return LocalReleases(tmp_path)


def log(storage: LocalReleases, frame: pd.DataFrame, name: str) -> list[str]:
    """Log rows of a day ago, and return the ids of their predictions."""
    moment = NOW - timedelta(days=1)
    price = np.full(len(frame), 200_000.0)
    ids = [f"{name}-{row}" for row in range(len(frame))]
    numbers = np.column_stack([to_matrix(frame), price, price, price]).tobytes()
    content = parquet.encode(to_columns([Entry(moment.timestamp(), "1", "champion", ids, numbers)]))
    storage.write(f"predictions/date={moment.date()}/{name}.parquet", content)
    return ids


def feed(storage: LocalReleases, ids: list[str], price: float, hours_ago: float) -> None:
    moment = NOW - timedelta(hours=hours_ago)
    batch = Batch(moment.timestamp(), tuple(Feedback(name, price) for name in ids))
    name = f"feedback/date={moment.date()}/{ids[0]}-{hours_ago}.json"
    storage.write(name, msgspec.json.encode(batch))


def test_known_rows_come_back_as_they_were_sent(
    storage: LocalReleases, housing_frame: pd.DataFrame
) -> None:
    sent = housing_frame[:300]
    ids = log(storage, sent, "a")
    feed(storage, ids[:200], 123_000.0, hours_ago=2)

    found = labelled_rows(storage, 7, NOW)

    assert set(found.pop(SENDER)) == {""}
    assert set(found.pop(RECEIVED)) == {(NOW - timedelta(hours=2)).timestamp()}
    expected = sent[:200].assign(**{TARGET: 123_000.0}).sort_values([*IDENTITY])
    pd.testing.assert_frame_equal(found, expected.reset_index(drop=True), check_dtype=False)
    assert check(found) == []


def test_a_block_group_that_was_priced_twice_is_there_once_with_what_came_last(
    storage: LocalReleases, housing_frame: pd.DataFrame
) -> None:
    same = housing_frame[:100].assign(median_income=3.0)
    first, second = log(storage, housing_frame[:100], "z"), log(storage, same, "b")
    feed(storage, second, 222_000.0, hours_ago=1)
    feed(storage, first, 111_000.0, hours_ago=5)

    found = labelled_rows(storage, 7, NOW)

    assert len(found) == 100
    assert (found[TARGET] == 222_000.0).all()
    assert (found["median_income"] == 3.0).all()


def test_rows_that_break_the_contract_and_files_that_are_damaged_are_left_out(
    storage: LocalReleases, housing_frame: pd.DataFrame
) -> None:
    rows = housing_frame[:50].copy()
    rows.loc[rows.index[0], CATEGORY] = "elsewhere"
    feed(storage, log(storage, rows, "a"), 100_000.0, hours_ago=1)
    storage.write(f"predictions/date={NOW.date()}/torn.parquet", b"PAR1 torn")

    assert len(labelled_rows(storage, 7, NOW)) == 49


def test_without_feedback_there_are_no_rows_but_all_columns(storage: LocalReleases) -> None:
    found = labelled_rows(storage, 7, NOW)

    assert found.empty
    assert list(found.columns) == [*COLUMNS, TARGET, RECEIVED, SENDER]


def test_new_figures_of_a_block_group_replace_the_old_ones(housing_frame: pd.DataFrame) -> None:
    base = housing_frame[:1000]
    new = housing_frame[950:1200].assign(**{TARGET: 20_000.0, RECEIVED: 0.0})

    merged, report = merge(base, new)

    assert (report.base, report.replaced, report.added, report.out_of_date) == (950, 50, 200, 0)
    assert len(merged) == 1200
    assert (merged[TARGET] == 20_000.0).sum() == 250
    assert not merged.duplicated([*IDENTITY]).any()


def test_merging_nothing_changes_nothing(housing_frame: pd.DataFrame) -> None:
    merged, report = merge(housing_frame, housing_frame[:0].assign(**{RECEIVED: 0.0}))

    pd.testing.assert_frame_equal(merged, housing_frame)
    assert report.added == report.replaced == 0


def test_old_prices_of_a_category_whose_new_ones_differ_are_out_of_date(
    housing_frame: pd.DataFrame,
) -> None:
    inland = housing_frame[CATEGORY] == "INLAND"
    sold = housing_frame.sample(3_000, random_state=1)
    doubled = sold[TARGET].where(sold[CATEGORY] != "INLAND", 2 * sold[TARGET])
    new = sold.assign(**{TARGET: doubled, RECEIVED: np.arange(3_000.0)})

    merged, report = merge(housing_frame, new)

    out = (inland & ~housing_frame.index.isin(sold.index)).sum()
    assert (report.out_of_date, report.replaced) == (out, 3_000)
    assert (merged[CATEGORY] != "INLAND").sum() == (~inland).sum()
    expected = doubled[sold[CATEGORY] == "INLAND"]
    assert sorted(merged.loc[merged[CATEGORY] == "INLAND", TARGET]) == sorted(expected)


def test_feedback_from_before_the_change_is_out_of_date_too(housing_frame: pd.DataFrame) -> None:
    inland = housing_frame[housing_frame[CATEGORY] == "INLAND"]
    sold = inland.sample(1_000, random_state=1)
    factor = np.repeat([1.0, 2.0], [600, 400])
    new = sold.assign(**{TARGET: factor * sold[TARGET], RECEIVED: np.arange(1_000.0)})

    merged, report = merge(inland, new)

    assert (report.base, report.replaced) == (0, 400)
    assert sorted(merged[TARGET]) == sorted(new[TARGET][600:])


@pytest.mark.parametrize("noise", [0.0, 0.15])
def test_prices_that_vary_by_chance_are_all_kept(noise: float, housing_frame: pd.DataFrame) -> None:
    random = np.random.default_rng(2)
    sold = housing_frame.sample(10_000, random_state=1)
    target = sold[TARGET] * np.exp(random.normal(0, noise, len(sold)))
    new = sold.assign(**{TARGET: target, RECEIVED: random.random(len(sold))})

    merged, report = merge(housing_frame, new)

    assert report.out_of_date == 0
    assert len(merged) == len(housing_frame)


def test_a_price_far_beyond_its_prediction_waits_for_a_persons_word(
    storage: LocalReleases, housing_frame: pd.DataFrame
) -> None:
    ids = log(storage, housing_frame[:40], "a")
    feed(storage, ids, 20_000.0, hours_ago=1)

    found = read_labelled(storage, 7, NOW)
    assert found.learnt.empty
    assert set(found.set_aside["prediction_id"]) == set(ids)

    decide(storage, ids[:10], "accepted", why="an auction", by="anna")
    decide(storage, ids[10:30], "refused", why="a typing error", by="anna")
    found = read_labelled(storage, 7, NOW)
    assert set(found.learnt[SENDER]) == {REVIEWER}
    assert (len(found.learnt), len(found.set_aside)) == (10, 10)
