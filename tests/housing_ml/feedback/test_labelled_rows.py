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
from housing_ml.data.weights import WEIGHT
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

    assert (report.base, report.replaced, report.added) == (950, 50, 200)
    assert len(merged) == 1200
    assert (merged[TARGET].tail(250) == 20_000.0).all()
    assert not merged.duplicated([*IDENTITY]).any()


def test_merging_nothing_changes_nothing(housing_frame: pd.DataFrame) -> None:
    merged, report = merge(housing_frame, housing_frame[:0].assign(**{RECEIVED: 0.0}))

    pd.testing.assert_frame_equal(merged, housing_frame)
    assert report.added == report.replaced == 0


def error(merged: pd.DataFrame, world: pd.Series[float], frame: pd.DataFrame) -> pd.Series[float]:
    """How far the prices of merged rows are from those of a world, by row of the frame."""
    true = frame[[*IDENTITY]].assign(true=world)
    both = true.merge(merged[[*IDENTITY, TARGET]], on=[*IDENTITY], how="left", validate="1:1")
    return pd.Series((both[TARGET] / both["true"] - 1).abs().to_numpy(), index=frame.index)


def sold(
    frame: pd.DataFrame, world: pd.Series[float], part: pd.Series[bool], n: int
) -> pd.DataFrame:
    """Rows of a part of the frame with the world's prices, 5 % of noise on them."""
    rows = frame[part].sample(n, random_state=1)
    noise = np.exp(np.random.default_rng(0).normal(0, 0.05, n))
    return rows.assign(**{TARGET: world[rows.index] * noise, RECEIVED: 0.0})


@pytest.mark.parametrize("category", ["INLAND", "<1H OCEAN", "NEAR BAY", "NEAR OCEAN"])
@pytest.mark.parametrize("factor", [0.85, 1.05, 1.12])
def test_a_hundred_prices_carry_a_whole_category_along_and_nothing_else(
    category: str, factor: float, housing_frame: pd.DataFrame
) -> None:
    part = housing_frame[CATEGORY] == category
    world = housing_frame[TARGET].where(~part, factor * housing_frame[TARGET])

    merged, report = merge(housing_frame, sold(housing_frame, world, part, 100))

    found = error(merged, world, housing_frame)
    assert found[part].mean() < 0.4 * abs(factor - 1)
    assert found[~part].max() == 0
    assert len(merged) == len(housing_frame)
    (move,) = report.moves or [None]
    assert abs(factor - 1) < 0.06 or (move and move.name == category)


def test_prices_of_one_region_say_nothing_of_another(housing_frame: pd.DataFrame) -> None:
    south = housing_frame["latitude"].between(33.6, 34.6) & (housing_frame["longitude"] > -119)
    world = housing_frame[TARGET].where(~south, 1.2 * housing_frame[TARGET])

    merged, _ = merge(housing_frame, sold(housing_frame, world, south, 2_500))

    found = error(merged, world, housing_frame)
    assert found[south].mean() < 0.03
    assert found[~south].mean() < 0.01
    assert found[housing_frame["latitude"] > 36].max() == 0


def test_a_carried_price_counts_less_the_less_is_known_of_the_move(
    housing_frame: pd.DataFrame,
) -> None:
    inland = housing_frame[CATEGORY] == "INLAND"
    world = 1.2 * housing_frame[TARGET]

    few, many = (merge(housing_frame, sold(housing_frame, world, inland, n))[0] for n in (3, 1_000))

    moved = few[CATEGORY] == "INLAND"
    assert (few[WEIGHT][~moved] == 1).all()
    assert (few[WEIGHT].tail(3) == 1).all()
    assert 0.5 < few[WEIGHT][moved][:-3].min() < 0.8
    assert 0.9 < many[WEIGHT].min() < 1


@pytest.mark.parametrize("pairs", [97, 103])
def test_there_is_no_cliff_in_the_move_or_in_the_number_of_prices(
    pairs: int, housing_frame: pd.DataFrame
) -> None:
    bay = housing_frame[CATEGORY] == "NEAR BAY"
    moved = []
    for factor in (1.09, 1.1, 1.11):
        world = factor * housing_frame[TARGET]
        merged, _ = merge(housing_frame, sold(housing_frame, world, bay, pairs))
        same = error(merged, housing_frame[TARGET], housing_frame)
        moved.append(same[bay].mean())

    assert moved == pytest.approx([0.09, 0.1, 0.11], abs=0.012)
    assert moved[2] - moved[0] < 0.03


def test_prices_that_vary_by_chance_move_nothing(housing_frame: pd.DataFrame) -> None:
    random = np.random.default_rng(2)
    rows = housing_frame.sample(2_000, random_state=1)
    target = rows[TARGET] * np.exp(random.normal(0, 0.01, len(rows)))

    merged, report = merge(housing_frame, rows.assign(**{TARGET: target, RECEIVED: 0.0}))

    found = error(merged, housing_frame[TARGET], housing_frame)
    assert (report.repriced, report.moves) == (0, ())
    assert found.drop(rows.index).max() < 0.005


def test_a_slow_rise_of_a_year_lags_by_less_than_two_months(housing_frame: pd.DataFrame) -> None:
    random, year = np.random.default_rng(3), 365.0
    age = random.exponential(20 * 7, len(housing_frame))
    level = np.exp(np.log(1.08) * (year - age) / year)
    noise = np.exp(random.normal(0, 0.05, len(housing_frame)))
    fed = (age < year).nonzero()[0]
    new = housing_frame.iloc[fed].assign(
        **{TARGET: (housing_frame[TARGET] * level * noise).iloc[fed], RECEIVED: year - age[fed]}
    )

    merged, _ = merge(housing_frame, new)

    found = np.log(merged[TARGET].mean() / housing_frame[TARGET].mean())
    assert np.log(1.08) * (1 - 2 / 12) < found < np.log(1.09)


def test_feedback_from_before_a_change_is_carried_along_too(housing_frame: pd.DataFrame) -> None:
    inland = housing_frame[housing_frame[CATEGORY] == "INLAND"]
    rows = inland.sample(1_000, random_state=1)
    factor = np.repeat([1.0, 2.0], [600, 400])
    new = rows.assign(**{TARGET: factor * rows[TARGET], RECEIVED: np.arange(1_000.0)})

    merged, report = merge(inland, new)

    found = error(merged, 2 * inland[TARGET], inland)
    assert found.mean() < 0.15
    assert report.moves[0].change == pytest.approx(2, rel=0.1)
    assert report.moves[0].senders == 1


def test_senders_that_support_a_move_are_counted(housing_frame: pd.DataFrame) -> None:
    bay = housing_frame[CATEGORY] == "NEAR BAY"
    new = sold(housing_frame, 1.2 * housing_frame[TARGET], bay, 300)
    names = np.resize(np.array(["ann", "bob", "cy"], dtype=object), 300)

    _, report = merge(housing_frame, new.assign(sender=names))

    assert report.moves[0].senders == 3


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
