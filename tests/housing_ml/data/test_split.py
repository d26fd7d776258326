from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from housing_ml.config.data import SplitConfig
from housing_ml.data.contract import IDENTITY
from housing_ml.data.split import identity_hash, is_held_out, split

if TYPE_CHECKING:
    from collections.abc import Callable

HELD_OUT_BY_ROW = 4058
HASH_OF_THE_FIRST_ROW = 14456512485495448655


def identities(frame: pd.DataFrame) -> set[tuple[float, ...]]:
    return set(frame[list(IDENTITY)].itertuples(index=False, name=None))


def test_the_real_data_split_near_the_share_and_alike_in_every_stratum(
    housing_frame: pd.DataFrame,
) -> None:
    train, holdout, report = split(housing_frame, SplitConfig())

    assert len(train) + len(holdout) == len(housing_frame)
    assert identities(train).isdisjoint(identities(holdout))
    assert report.holdout_rows / len(housing_frame) == pytest.approx(0.2, abs=0.01)
    assert report.largest_difference < 0.02
    assert report.known_places == 0


def test_a_split_of_before_is_known_by_the_row(housing_frame: pd.DataFrame) -> None:
    by_row = is_held_out(housing_frame, 0.2, "housing", "row")

    assert by_row.sum() == HELD_OUT_BY_ROW
    assert (by_row != is_held_out(housing_frame, 0.2, "housing")).any()


@settings(max_examples=25, deadline=None)
@given(rows=st.integers(200, 2000), seed=st.integers(0, 1000))
def test_a_row_keeps_its_side_as_data_grow_and_are_reordered(
    housing_frame: pd.DataFrame, rows: int, seed: int
) -> None:
    _, before, _ = split(housing_frame.head(rows), SplitConfig())
    grown = housing_frame.head(2 * rows).sample(frac=1, random_state=seed)

    _, after, _ = split(grown, SplitConfig())

    assert identities(before) <= identities(after)
    assert identities(after) & identities(housing_frame.head(rows)) == identities(before)


def test_the_same_rows_in_another_order_give_the_same_tables(housing_frame: pd.DataFrame) -> None:
    rows = housing_frame.head(500)

    first = split(rows, SplitConfig())
    second = split(rows.sample(frac=1, random_state=1), SplitConfig())

    pd.testing.assert_frame_equal(first[0], second[0])
    pd.testing.assert_frame_equal(first[1], second[1])


@pytest.mark.parametrize(
    "change",
    [
        lambda frame: frame.astype({"total_rooms": int, "population": np.int32}),
        lambda frame: frame[frame.columns[::-1]],
        lambda frame: frame.assign(median_income=1.0, total_bedrooms=np.nan),
    ],
    ids=["integers", "order of columns", "other columns"],
)
def test_the_hash_depends_on_the_identity_alone(
    housing_frame: pd.DataFrame, change: Callable[[pd.DataFrame], pd.DataFrame]
) -> None:
    rows = housing_frame.head(50)

    np.testing.assert_array_equal(identity_hash(change(rows), "s"), identity_hash(rows, "s"))


def test_the_hash_is_the_same_on_every_machine(housing_frame: pd.DataFrame) -> None:
    assert identity_hash(housing_frame.head(1), "housing").tolist() == [HASH_OF_THE_FIRST_ROW]


def test_another_salt_gives_another_split(housing_frame: pd.DataFrame) -> None:
    _, first, _ = split(housing_frame, SplitConfig())
    _, second, _ = split(housing_frame, SplitConfig(salt="other"))

    common = len(identities(first) & identities(second))
    assert common / len(first) == pytest.approx(0.2, abs=0.05)


def test_a_side_without_rows_is_refused(housing_frame: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match=r"split\.holdout_share"):
        split(housing_frame.head(1), SplitConfig())
