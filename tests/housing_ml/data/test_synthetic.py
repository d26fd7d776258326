from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import HistGradientBoostingRegressor

from housing_ml.config.data import SplitConfig
from housing_ml.data.checks import check
from housing_ml.data.contract import CATEGORIES, CATEGORY, COLUMNS, IDENTITY, TARGET, to_matrix
from housing_ml.data.split import split
from housing_ml.data.synthetic import MISSING_SHARE, PRICE_CAP, generate


@pytest.fixture(scope="module")
def sample() -> pd.DataFrame:
    return generate()


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_every_seed_gives_rows_that_keep_the_contract(seed: int) -> None:
    frame = generate(rows=2_000, seed=seed)

    assert check(frame) == []
    pd.testing.assert_frame_equal(generate(rows=2_000, seed=seed), frame)


def test_it_has_the_shape_of_the_real_data(
    sample: pd.DataFrame, housing_frame: pd.DataFrame
) -> None:
    assert list(sample.columns) == [*COLUMNS, TARGET]
    assert len(sample) == len(housing_frame)
    assert (sample.dtypes == housing_frame.dtypes).all()
    assert set(sample[CATEGORY]) == set(CATEGORIES)
    assert not sample.duplicated(list(IDENTITY)).any()


def test_bedrooms_are_missing_and_prices_capped_as_in_the_real_data(sample: pd.DataFrame) -> None:
    missing = sample.isna().mean()

    assert missing["total_bedrooms"] == pytest.approx(MISSING_SHARE, abs=0.003)
    assert missing.drop("total_bedrooms").eq(0).all()
    assert sample[TARGET].max() == PRICE_CAP
    assert 0.01 < (sample[TARGET] == PRICE_CAP).mean() < 0.05


def test_a_model_learns_most_of_the_price_and_not_all(sample: pd.DataFrame) -> None:
    train, holdout, _ = split(sample, SplitConfig())
    model = HistGradientBoostingRegressor(max_iter=40, early_stopping=False, random_state=0)
    model.fit(to_matrix(train), train[TARGET])

    assert 0.7 < model.score(to_matrix(holdout), holdout[TARGET]) < 0.85


def test_richer_and_coastal_places_cost_more(sample: pd.DataFrame) -> None:
    assert np.corrcoef(sample["median_income"], sample[TARGET])[0, 1] > 0.5
    medians = sample.groupby(CATEGORY)[TARGET].median()
    assert medians["INLAND"] == medians.min()
