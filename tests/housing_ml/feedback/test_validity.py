"""Since when prices hold, from the ratio of newer prices to older ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from housing_ml.feedback.validity import ALWAYS, CHUNK, valid_since


def test_a_few_prices_are_no_verdict() -> None:
    few = np.full(CHUNK - 1, 2.0)

    assert valid_since(few, np.arange(len(few))) == ALWAYS


def test_a_source_that_all_new_prices_contradict_is_out_of_date_and_feedback_is_not() -> None:
    ratio = np.full(250, 0.5)

    assert valid_since(ratio, np.arange(250.0)) == 0.0


def test_prices_that_went_up_and_came_back_hold_since_they_came_back() -> None:
    ratio = np.repeat([1.0, 2.0, 1.0], [300, 300, 300])

    assert valid_since(ratio, np.arange(900.0)) == 600.0


def test_a_slow_rise_leaves_the_last_tenth() -> None:
    ratio = np.exp(np.linspace(0.0, 0.7, 7_000))

    assert valid_since(ratio, np.arange(7_000.0)) == pytest.approx(6_000, abs=CHUNK)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 900), st.floats(1.3, 4.0), st.integers(0, 2**32 - 1))
def test_a_change_is_dated_to_within_a_chunk_whatever_the_order_of_rows(
    before: int, factor: float, seed: int
) -> None:
    ratio, received = np.repeat([1.0, factor], [before, 400]), np.arange(before + 400.0)
    order = np.random.default_rng(seed).permutation(len(ratio))

    found = valid_since(ratio[order], received[order])

    assert abs(found - before) <= CHUNK
    assert found == valid_since(ratio, received)
