"""A block group stays the same one when its figures are counted anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from housing_ml.config.data import SplitConfig
from housing_ml.data.block_groups import block_groups, older_selves
from housing_ml.data.contract import PLACE, TARGET
from housing_ml.data.split import split
from housing_ml.feedback.corroboration import SENDER, corroborate
from housing_ml.feedback.labelled_rows import RECEIVED, merge

if TYPE_CHECKING:
    import pandas as pd


def counted_anew(rows: pd.DataFrame, share: float, years: int = 1, seed: int = 0) -> pd.DataFrame:
    """The rows after some years: counts and incomes changed by so much, as a standard deviation."""
    random = np.random.default_rng(seed)
    names = ["total_rooms", "population", "households", "median_income"]
    changed = rows[names] * np.exp(random.normal(0, share, (len(rows), len(names))))
    age = rows["housing_median_age"] + years
    return rows.assign(**changed, housing_median_age=age, **{RECEIVED: 0.0})


def test_block_groups_are_found_again_where_many_share_a_place(housing_frame: pd.DataFrame) -> None:
    crowded = housing_frame[housing_frame.duplicated([*PLACE], keep=False)]
    own = np.arange(len(crowded))
    for years in (0, 1, 3):
        found = older_selves(crowded, counted_anew(crowded, 0.01, years))
        assert (found == own).mean() > 0.998
    found = older_selves(crowded, counted_anew(crowded, 0.03))
    assert (found == own).mean() > 0.99


def test_another_block_group_of_a_place_is_mostly_told_apart(housing_frame: pd.DataFrame) -> None:
    crowded = housing_frame[housing_frame.duplicated([*PLACE], keep=False)]
    others = crowded.drop_duplicates([*PLACE])
    found = older_selves(others, crowded.drop(index=others.index))

    assert (found >= 0).mean() < 0.01


def test_what_is_priced_often_is_one_block_group_though_nobody_knew_it(
    housing_frame: pd.DataFrame,
) -> None:
    known, new = housing_frame[:500], housing_frame[5000:5050]
    again = [counted_anew(new, 0.005, seed=seed) for seed in range(4)]
    rows = again[0]
    for part in again[1:]:
        rows = rows.merge(part, how="outer")

    found = block_groups(known, rows)

    assert (found < 0).all()
    assert 45 <= len(np.unique(found)) <= 55  # one or two look like their neighbours


def test_three_thousand_block_groups_with_more_people_are_no_news(
    housing_frame: pd.DataFrame,
) -> None:
    told = housing_frame.sample(3_000, random_state=0)
    more = told.assign(population=(told["population"] * 1.01).round(), **{RECEIVED: 0.0})
    train, holdout, _ = split(housing_frame, SplitConfig())

    merged, report = merge(housing_frame, more)
    new_train, new_holdout, sides = split(merged, SplitConfig())

    assert (report.added, report.replaced, report.repriced) == (0, 3_000, 0)
    assert (len(new_train), len(new_holdout)) == (len(train), len(holdout))
    assert sides.known_places == 0
    assert "not seen" in sides.measures


def test_senders_agree_about_a_block_group_whichever_figures_they_send(
    housing_frame: pd.DataFrame,
) -> None:
    base = housing_frame[:300]
    raised = base.assign(**{TARGET: base[TARGET] * 1.2})
    anna = raised.assign(**{RECEIVED: 0.0, SENDER: "anna"})
    bert = counted_anew(raised, 0.01).assign(**{SENDER: "bert"})

    found = corroborate(base, anna.merge(bert, how="outer"))

    assert found.bounded <= 3
    assert len(found.rows) == 300
