"""A search wins only what it gained beyond chance."""

from __future__ import annotations

from statistics import fmean

import pytest

from housing_ml.modelling.sweep.choice import choose
from housing_ml.records.sweep import Trial


def trial(number: int, *wmapes: float, run: str = "", leaves: int = 48) -> Trial:
    return Trial(
        number=number,
        parameters={"alpha": float(number), "max_leaf_nodes": leaves},
        state="complete",
        wmape=fmean(wmapes),
        fold_wmapes=wmapes,
        seconds=1.0,
        reason="",
        run=run,
    )


START = {"alpha": 0.0}
FIRST = trial(0, 0.12, 0.11, 0.13)


def test_a_trial_that_is_better_on_every_fold_alike_wins() -> None:
    better = trial(1, 0.118, 0.1081, 0.1279)

    chosen = choose([FIRST, better], START)

    assert chosen.winner is better
    assert chosen.gain == pytest.approx(0.002)
    assert chosen.error == pytest.approx(0.00006, abs=1e-5)


def test_a_trial_that_is_better_on_one_fold_and_worse_on_another_is_alike() -> None:
    lucky = trial(1, 0.115, 0.112, 0.128)

    chosen = choose([FIRST, lucky], START)

    assert chosen.winner is FIRST
    assert chosen.gain == pytest.approx(0.005 / 3)


def test_where_nothing_is_better_there_is_no_gain() -> None:
    assert choose([FIRST, trial(1, 0.2, 0.2, 0.2)], START) == (FIRST, None, None)


def test_where_the_parameters_to_beat_failed_the_best_wins() -> None:
    others = [trial(1, 0.2, 0.2, 0.2), trial(2, 0.1, 0.1, 0.3)]

    assert choose(others, START).winner is others[1]


def test_what_a_service_names_must_beat_them_too() -> None:
    named = trial(1, 0.13, 0.10, 0.13, run="named")
    better = trial(2, 0.10, 0.09, 0.11)

    assert choose([FIRST, named, better], START, best="named").winner is FIRST


def test_of_trials_that_are_alike_the_one_with_the_cheapest_rows_wins() -> None:
    dear = trial(1, 0.115, 0.112, 0.128, leaves=64)
    cheap = trial(2, 0.116, 0.112, 0.128, leaves=32)
    worse = trial(3, 0.116, 0.112, 0.133, leaves=16)

    assert choose([FIRST, dear, cheap, worse], START).winner is cheap


def test_a_trial_that_saves_next_to_nothing_does_not_take_the_place_of_what_is_known() -> None:
    like = trial(1, 0.115, 0.112, 0.128, leaves=46)

    assert choose([FIRST, like], START).winner is FIRST


def test_a_cheaper_trial_does_not_win_over_one_that_is_better_beyond_chance() -> None:
    better = trial(1, 0.118, 0.1081, 0.1279)
    cheap = trial(2, 0.1195, 0.1096, 0.1295, leaves=16)

    assert choose([FIRST, better, cheap], START).winner is better
