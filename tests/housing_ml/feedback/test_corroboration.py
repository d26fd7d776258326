"""One sender's word goes as far as another's, and a little further."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from housing_ml.data.contract import TARGET
from housing_ml.feedback.corroboration import ALONE, REVIEWER, SENDER, corroborate


@pytest.fixture
def base(housing_frame: pd.DataFrame) -> pd.DataFrame:
    """Block groups of one category."""
    return housing_frame[housing_frame["ocean_proximity"] == "INLAND"][:400]


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
