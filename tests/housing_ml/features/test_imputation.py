from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from sklearn.ensemble import RandomForestRegressor

from housing_ml.config.modelling import ImputationConfig
from housing_ml.data.contract import Matrix, to_matrix
from housing_ml.data.synthetic import generate
from housing_ml.features.imputation import BEDROOMS, OTHERS, ConstantState, state_from_arrays
from housing_ml.modelling.imputer_comparison import compare_imputers
from housing_ml.modelling.imputers import imputer
from housing_ml.modelling.sampling import sampled

if TYPE_CHECKING:
    import pandas as pd

    from housing_ml.config.choices import ImputerName

NAMES: tuple[ImputerName, ...] = ("median", "mean", "neighbours", "forest")


@pytest.fixture(scope="module")
def raw(housing_frame: pd.DataFrame) -> Matrix:
    return to_matrix(housing_frame.sample(1_500, random_state=1))


def hidden(raw: Matrix, count: int = 50) -> Matrix:
    rows = raw[:count].copy()
    rows[:, BEDROOMS] = np.nan
    return rows


@pytest.mark.parametrize("name", NAMES)
def test_it_fills_missing_bedrooms_and_touches_nothing_else(raw: Matrix, name: ImputerName) -> None:
    rows = hidden(raw)
    before = rows.copy()

    filled = imputer(name)(raw).fill(rows)

    assert np.isfinite(filled[:, BEDROOMS]).all()
    np.testing.assert_array_equal(np.delete(filled, BEDROOMS, 1), np.delete(rows, BEDROOMS, 1))
    np.testing.assert_array_equal(rows, before)


@pytest.mark.parametrize("name", NAMES)
def test_known_bedrooms_stay_as_they_are(raw: Matrix, name: ImputerName) -> None:
    known = raw[~np.isnan(raw[:, BEDROOMS])]

    assert imputer(name)(raw).fill(known) is known


@pytest.mark.parametrize("name", NAMES)
def test_its_arrays_are_its_whole_state(raw: Matrix, name: ImputerName) -> None:
    fitted = imputer(name)(raw)

    restored = state_from_arrays(fitted.to_arrays())

    np.testing.assert_array_equal(restored.fill(hidden(raw)), fitted.fill(hidden(raw)))


@pytest.mark.parametrize("name", NAMES)
def test_a_row_is_filled_the_same_alone_and_among_others(raw: Matrix, name: ImputerName) -> None:
    fitted, rows = imputer(name)(raw), hidden(raw)

    alone = np.concatenate([fitted.fill(row[np.newaxis]) for row in rows])

    np.testing.assert_array_equal(alone, fitted.fill(rows))


def test_the_forest_is_that_of_scikit_learn(raw: Matrix) -> None:
    known = raw[~np.isnan(raw[:, BEDROOMS])]
    forest = RandomForestRegressor(
        n_estimators=25, max_depth=10, min_samples_leaf=5, max_features=0.6, random_state=42
    ).fit(known[:, OTHERS], known[:, BEDROOMS])
    rows = hidden(raw)

    filled = imputer("forest")(raw).fill(rows)

    np.testing.assert_allclose(filled[:, BEDROOMS], forest.predict(rows[:, OTHERS]), rtol=1e-12)


def test_arrays_of_no_imputer_are_refused() -> None:
    with pytest.raises(ValueError, match="threshold"):
        state_from_arrays({"threshold": np.zeros(3)})


def test_median_and_mean_are_what_they_say() -> None:
    raw = np.ones((3, 9))
    raw[:, BEDROOMS] = [1, 2, 6]

    assert imputer("median")(raw) == ConstantState(2.0)
    assert imputer("mean")(raw) == ConstantState(3.0)


def test_the_comparison_chooses_the_least_error_on_masked_values(raw: Matrix) -> None:
    report = compare_imputers(raw, ImputationConfig(repeats=2))

    errors = {score.name: score.rmse for score in report.scores}
    assert tuple(errors) == NAMES
    assert errors[report.chosen] == min(errors.values())
    assert errors["forest"] < errors["median"] / 2
    assert all(score.rmse_std > 0 for score in report.scores)
    assert report.missing == np.isnan(raw[:, BEDROOMS]).sum()


def test_the_same_seed_gives_the_same_comparison_and_another_one_other_masks(raw: Matrix) -> None:
    config = ImputationConfig(candidates=("median", "neighbours"), repeats=2)

    assert compare_imputers(raw, config) == compare_imputers(raw, config)
    other = config.model_copy(update={"seed": 7})
    assert compare_imputers(raw, other).scores != compare_imputers(raw, config).scores


def test_of_many_rows_imputers_are_compared_on_a_sample_and_all_missing_are_counted() -> None:
    raw = to_matrix(generate(1500, seed=3))
    config = ImputationConfig(candidates=("median",), repeats=2, most_rows=1000)
    sample, _ = sampled(raw, raw[:, BEDROOMS], 1000, config.seed)

    report = compare_imputers(raw, config)

    assert report.scores == compare_imputers(sample, config).scores
    assert report.missing == np.isnan(raw[:, BEDROOMS]).sum()


def test_nothing_can_be_compared_without_known_values(raw: Matrix) -> None:
    with pytest.raises(ValueError, match="total_bedrooms"):
        compare_imputers(hidden(raw), ImputationConfig())
