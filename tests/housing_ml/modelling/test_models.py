"""Every model is a pipeline from raw rows, and a wrong parameter is named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sklearn.base import clone

from housing_ml.config.choices import FeatureParameters
from housing_ml.data.contract import TARGET, to_matrix
from housing_ml.modelling.models import DEFAULTS, ModelError, build_pipeline, estimator

if TYPE_CHECKING:
    import pandas as pd

FEATURES = FeatureParameters(imputer="median", clusters=5, seed=1)
SMALL: dict[str, Any] = {
    "random_forest": {"n_estimators": 5, "n_jobs": 1},
    "extra_trees": {"n_estimators": 5, "n_jobs": 1},
    "gradient_boosting": {"n_estimators": 20},
    "histogram_gradient_boosting": {"max_iter": 20},
}


@pytest.mark.parametrize("model", DEFAULTS)
def test_every_model_learns_prices_from_raw_rows(model: str, housing_frame: pd.DataFrame) -> None:
    rows = housing_frame.sample(1500, random_state=0)
    raw, y = to_matrix(rows), rows[TARGET].to_numpy()
    pipeline = build_pipeline(FEATURES, model, SMALL.get(model, {}), seed=3)  # type: ignore[arg-type]
    predicted = pipeline.fit(raw[:1000], y[:1000]).predict(raw[1000:])
    within_range = np.clip(predicted, y.min(), y.max())  # a linear model knows no bounds
    assert np.corrcoef(within_range, y[1000:])[0, 1] > 0.7


@pytest.mark.parametrize("model", DEFAULTS)
def test_only_linear_models_are_scaled(model: str) -> None:
    steps = list(build_pipeline(FEATURES, model, {}, seed=3).named_steps)  # type: ignore[arg-type]
    scaled = ["features", "scale", "model"]
    assert steps == (scaled if model in ("ridge", "lasso") else ["features", "model"])


def test_given_parameters_replace_the_defaults_and_keep_the_others() -> None:
    regressor = estimator("histogram_gradient_boosting", {"max_iter": 7}, seed=3)
    assert regressor.max_iter == 7
    assert regressor.early_stopping is False
    assert regressor.random_state == 3


def test_an_unknown_parameter_is_named_with_those_that_exist() -> None:
    with pytest.raises(ModelError, match="ridge has no depth, trees: it has alpha"):
        estimator("ridge", {"trees": 3, "depth": 2, "alpha": 1.0}, seed=0)


def test_a_pipeline_can_be_cloned_for_cross_validation() -> None:
    pipeline = build_pipeline(FEATURES, "ridge", {"alpha": 3.0}, seed=3)
    copy = clone(pipeline)
    assert copy["model"].alpha == 3.0
    assert copy["features"].clusters == 5
    assert copy["features"] is not pipeline["features"]


@pytest.mark.parametrize("model", ["random_forest", "extra_trees"])
def test_the_trees_of_a_forest_do_not_grow_with_the_rows(model: Any) -> None:
    rows = np.random.default_rng(0).uniform(size=(60_000, 2))

    forest = estimator(model, {"n_estimators": 1, "max_features": 1.0}, seed=0)

    (tree,) = forest.fit(rows, rows.sum(axis=1)).estimators_
    assert 1_000 < tree.get_n_leaves() <= 5_000
