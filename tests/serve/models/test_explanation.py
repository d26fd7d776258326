"""Contributions are Shapley values: they sum up, and nothing that is not used gets a share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from housing_ml.data.contract import COLUMNS
from serve.models.explanation import GROUPS, explain

if TYPE_CHECKING:
    from numpy.typing import NDArray

INCOME = COLUMNS.index("median_income")
LATITUDE = COLUMNS.index("latitude")


def additive(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(3 * rows[:, INCOME] + 2 * rows[:, LATITUDE])


def crossed(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.sin(rows).prod(axis=1) + rows[:, 0] * rows[:, INCOME])


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000), instances=st.integers(1, 4), references=st.integers(1, 6))
def test_contributions_and_base_sum_to_the_prediction(
    seed: int, instances: int, references: int
) -> None:
    generator = np.random.default_rng(seed)
    rows = generator.normal(size=(instances, len(COLUMNS)))
    others = generator.normal(size=(references, len(COLUMNS)))
    base, contributions = explain(crossed, rows, others)
    assert contributions.shape == (instances, len(GROUPS))
    np.testing.assert_allclose(base, crossed(others).mean())
    np.testing.assert_allclose(base + contributions.sum(axis=1), crossed(rows), atol=1e-12)


def test_a_sum_of_effects_is_told_apart_exactly() -> None:
    generator = np.random.default_rng(0)
    rows = generator.normal(size=(3, len(COLUMNS)))
    others = generator.normal(size=(5, len(COLUMNS)))
    _, contributions = explain(additive, rows, others)
    expected = dict.fromkeys(GROUPS, np.zeros(3))
    expected["income"] = 3 * (rows[:, INCOME] - others[:, INCOME].mean())
    expected["location"] = 2 * (rows[:, LATITUDE] - others[:, LATITUDE].mean())
    for group, found in zip(GROUPS, contributions.T, strict=True):
        np.testing.assert_allclose(found, expected[group], atol=1e-12)


def test_every_column_is_in_one_group() -> None:
    assert sorted(name for names in GROUPS.values() for name in names) == sorted(COLUMNS)
