from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from housing_ml.rollout.routing import position, to_canary

KEYS = [f"customer {number}" for number in range(20_000)]


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
def test_the_share_is_right_within_chance(share: float) -> None:
    found = np.mean([to_canary(key, share, "d" * 64) for key in KEYS])

    assert abs(found - share) < 4 * np.sqrt(share * (1 - share) / len(KEYS))


@given(st.text(), st.text(max_size=100), st.floats(0, 1), st.floats(0, 1))
def test_a_key_stays_and_a_larger_share_keeps_all_of_a_smaller(
    key: str, salt: str, first: float, second: float
) -> None:
    small, large = sorted((first, second))

    assert position(key, salt) == position(key, salt)
    assert to_canary(key, small, salt) <= to_canary(key, large, salt)
    assert not to_canary(key, 0, salt)
    assert to_canary(key, 1, salt)


def test_another_canary_meets_other_keys() -> None:
    first, second = ([to_canary(key, 0.1, salt) for key in KEYS] for salt in ("a", "b"))

    assert np.mean(np.logical_and(first, second)) == pytest.approx(0.01, abs=0.004)
