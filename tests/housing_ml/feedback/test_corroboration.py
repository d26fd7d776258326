"""One sender's word goes as far as another's, and a little further."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from housing_ml.data.contract import PLACE, TARGET
from housing_ml.feedback.corroboration import ALONE, REVIEWER, SENDER, corroborate
from housing_ml.feedback.labelled_rows import merge


@pytest.fixture
def base(housing_frame: pd.DataFrame) -> pd.DataFrame:
    """Block groups of one category, each alone at its place."""
    inland = housing_frame[housing_frame["ocean_proximity"] == "INLAND"]
    return inland.drop_duplicates([*PLACE])[:400]


def said(rows: pd.DataFrame, sender: str, factor: float) -> pd.DataFrame:
    return rows.assign(**{TARGET: rows[TARGET] * factor, "received": 1.0, SENDER: sender})


def factors(base: pd.DataFrame, found: pd.DataFrame) -> np.ndarray:
    before = base[TARGET].loc[base.index[: len(found)]].to_numpy()
    return np.sort(found[TARGET].to_numpy()) / np.sort(before)


@pytest.mark.parametrize("factor", [0.3, 1.3])
def test_one_sender_alone_moves_nothing_by_more_than_a_little(
    base: pd.DataFrame, factor: float
) -> None:
    found = corroborate(base, said(base, "mallory", factor))

    moved = np.log(factors(base, found.rows))
    assert np.abs(moved).max() <= ALONE + 1e-9
    assert found.bounded == len(found.rows)


def test_a_move_that_another_sender_saw_elsewhere_goes_through(base: pd.DataFrame) -> None:
    new = [said(base[:200], "anna", 1.2), said(base[200:], "bert", 1.2)]
    found = corroborate(base, pd.concat(new))

    assert factors(base, found.rows) == pytest.approx(1.2)
    assert found.bounded == 0


def test_among_honest_senders_one_that_exaggerates_is_held_to_what_they_saw(
    base: pd.DataFrame,
) -> None:
    honest = [said(base[:150], "anna", 1.0), said(base[150:300], "bert", 1.0)]
    found = corroborate(base, pd.concat([*honest, said(base, "mallory", 2.0)])).rows

    both = found.merge(base, on=["longitude", "latitude", "households", "total_rooms"])
    assert (both[f"{TARGET}_x"] / both[f"{TARGET}_y"]).max() <= np.exp(ALONE) + 1e-9


def test_a_place_that_nobody_knows_waits_for_a_second_sender(base: pd.DataFrame) -> None:
    known, new = base[:300], base[300:]
    alone = corroborate(known, said(new, "anna", 1.0))
    together = corroborate(known, pd.concat([said(new, "anna", 1.0), said(new, "bert", 1.02)]))
    apart = corroborate(known, pd.concat([said(new, "anna", 1.0), said(new, "bert", 2.0)]))

    assert (len(alone.rows), alone.waiting) == (0, len(new))
    assert (len(together.rows), together.waiting) == (len(new), 0)
    assert apart.rows.empty


@pytest.mark.parametrize("sender", [REVIEWER, "assessor", ""])
def test_a_person_a_trusted_sender_and_a_service_without_keys_count_in_full(
    base: pd.DataFrame, sender: str
) -> None:
    found = corroborate(base[:300], said(base, sender, 1.5), trusted=("assessor",))

    assert len(found.rows) == len(base)
    assert factors(base, found.rows) == pytest.approx(1.5)


def test_one_sender_alone_changes_no_figures_and_of_several_the_least_change_holds(
    base: pd.DataFrame,
) -> None:
    rich = base.assign(median_income=base["median_income"] * 1.1, total_bedrooms=np.nan)
    alone = corroborate(base, said(rich, "mallory", 1.0)).rows
    both = corroborate(base, pd.concat([said(base, "anna", 1.0), said(rich, "mallory", 1.0)])).rows
    agreed = corroborate(base, pd.concat([said(rich, "anna", 1.0), said(rich, "bert", 1.0)])).rows

    incomes = np.sort(base["median_income"])
    assert np.sort(alone["median_income"]) == pytest.approx(incomes)
    assert alone["total_bedrooms"].isna().sum() == base["total_bedrooms"].isna().sum()
    assert np.sort(both["median_income"]) == pytest.approx(incomes)
    assert np.sort(agreed["median_income"]) == pytest.approx(1.1 * incomes)


def test_one_price_of_another_sender_opens_no_door(base: pd.DataFrame) -> None:
    lucky = said(base[:1], "anna", 1.5)
    found = corroborate(base, pd.concat([lucky, said(base[1:], "mallory", 1.5)])).rows

    both = found.merge(base, on=[*PLACE])
    moves = np.sort(both[f"{TARGET}_x"] / both[f"{TARGET}_y"])
    assert moves[-2] < 1.07


def test_a_move_has_as_many_senders_as_saw_it_though_they_priced_the_same(
    base: pd.DataFrame,
) -> None:
    anna, bert = said(base, "anna", 1.2), said(base, "bert", 1.2)
    still = said(base[:30], "carl", 1.0)

    for new, senders in (([anna], 1), ([anna, bert], 2), ([anna, bert, still], 2)):
        rows = corroborate(base, pd.concat(new), trusted=("anna",) if senders == 1 else ()).rows
        (move,) = merge(base, rows)[1].moves
        assert move.senders == senders
        assert move.change == pytest.approx(1.2, abs=0.02)
