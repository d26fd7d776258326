"""Where whole blocks are left out the model is worse, and by distance to what it knows too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from housing_ml.bundle.familiarity import Familiarity, attributes
from housing_ml.bundle.model import Prediction
from housing_ml.config.choices import FeatureParameters
from housing_ml.config.modelling import EvaluationConfig, TrainingConfig
from housing_ml.data.contract import TARGET, to_matrix
from housing_ml.features.geography import plane
from housing_ml.modelling.blocked import price_out_of_block
from housing_ml.modelling.evaluation import evaluate
from housing_ml.modelling.folds import make_folds, predict_fold, splitter
from housing_ml.modelling.metrics import metrics
from housing_ml.reporting.retrain import reach_rows

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from housing_ml.data.contract import Matrix

CONFIG = TrainingConfig(folds=3)
CHOSEN = (
    FeatureParameters(imputer="median", clusters=0),
    "histogram_gradient_boosting",
    {"max_iter": 30},
    CONFIG,
)


@pytest.fixture(scope="module")
def rows(housing_frame: pd.DataFrame) -> tuple[Matrix, NDArray[np.float64]]:
    frame = housing_frame.sample(3000, random_state=5)
    return to_matrix(frame), frame[TARGET].to_numpy()


def test_blocks_that_nobody_saw_are_priced_worse_than_rows_that_nobody_saw(
    rows: tuple[Matrix, NDArray[np.float64]],
) -> None:
    raw, prices = rows
    features, model, parameters, config = CHOSEN
    folds = make_folds(raw, prices, features, config.folds, config.seed)
    predicted = np.empty(len(prices))
    for (_, outside), fold in zip(
        splitter(config.folds, config.seed).split(raw), folds, strict=True
    ):
        predicted[outside] = predict_fold(fold, features, model, parameters, 0).validation
    found = price_out_of_block(raw, prices, *CHOSEN)
    assert found is not None
    assert metrics(prices, found.price).wmape > 1.1 * metrics(prices, predicted).wmape
    again = price_out_of_block(raw, prices, *CHOSEN)
    assert again is not None
    np.testing.assert_array_equal(again.price, found.price)


def test_rows_of_fewer_blocks_than_folds_tell_nothing(
    rows: tuple[Matrix, NDArray[np.float64]],
) -> None:
    raw, prices = rows
    raw = raw.copy()
    raw[:, :2] = [-122.2, 37.8]
    assert price_out_of_block(raw, prices, *CHOSEN) is None


def test_the_error_is_told_by_distance_to_the_nearest_training_row(
    rows: tuple[Matrix, NDArray[np.float64]],
) -> None:
    raw, actual = rows
    known = raw[:300]
    kilometres = Familiarity(plane(known[:, :2]), attributes(known)).kilometres(raw)
    price = actual * (1 + np.minimum(kilometres, 20) / 100)
    prediction = Prediction(price, 0.95 * price, 1.05 * price)
    config = EvaluationConfig(bootstrap_samples=100)
    found = evaluate(raw, actual, prediction, config, kilometres).reach
    assert [item.name for item in found] == [
        *("within 0.5 km", "0.5 to 1 km", "1 to 2 km", "2 to 5 km", "5 to 10 km"),
        "10 km and more",
    ]
    assert sum(item.rows for item in found) == len(raw)
    errors = [item.wmape for item in found]
    assert errors == sorted(errors)
    assert all(item.interval.low <= item.wmape <= item.interval.high for item in found)
    assert found[0].coverage == 1.0
    assert found[-1].coverage == 0.0


def test_the_report_shows_both(rows: tuple[Matrix, NDArray[np.float64]]) -> None:
    raw, actual = rows
    prediction = Prediction(actual, actual, actual)
    evaluation = evaluate(
        raw, actual, prediction, EvaluationConfig(bootstrap_samples=100), np.zeros(len(raw))
    )
    near, blocked = reach_rows(evaluation, 0.218)
    assert (near["nearest training row"], near["rows"]) == ("within 0.5 km", "3,000")
    assert blocked["nearest training row"].startswith("outside its block of 0.25 degrees")
    assert blocked["wMAPE"] == "21.80%"
