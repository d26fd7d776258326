"""The seven regression models, each a scikit-learn pipeline that starts from raw rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
)
from sklearn.linear_model import Lasso, Ridge
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor

from housing_ml.errors import HousingError
from housing_ml.features import HousingFeatures
from housing_ml.modelling.imputers import imputer

if TYPE_CHECKING:
    from housing_ml.config.choices import FeatureParameters, ModelName, Parameters

_CLASSES: dict[ModelName, Any] = {
    "random_forest": RandomForestRegressor,
    "gradient_boosting": GradientBoostingRegressor,
    "ridge": Ridge,
    "lasso": Lasso,
    "decision_tree": DecisionTreeRegressor,
    "extra_trees": ExtraTreesRegressor,
    "histogram_gradient_boosting": HistGradientBoostingRegressor,
}

_LEAF_SHARE = 0.0002
"""Of all rows, in a forest's leaf: the trees of ten times the rows are as large as those of one."""

DEFAULTS: dict[ModelName, Parameters] = {
    "random_forest": {
        "n_estimators": 100,
        "max_features": 0.2,
        "min_samples_leaf": _LEAF_SHARE,
        "n_jobs": 2,
    },
    "gradient_boosting": {
        "n_estimators": 100,
        "learning_rate": 0.15,
        "max_depth": 5,
        "max_features": 0.1,
        "min_samples_leaf": 10,
        "subsample": 0.5,
    },
    "ridge": {"alpha": 10.0},
    "lasso": {"alpha": 10.0, "precompute": True, "max_iter": 5000, "tol": 1e-3},
    "decision_tree": {"min_samples_leaf": 20},
    "extra_trees": {
        "n_estimators": 100,
        "max_features": 0.5,
        "min_samples_leaf": _LEAF_SHARE,
        "n_jobs": 2,
    },
    "histogram_gradient_boosting": {
        "loss": "squared_error",
        "max_iter": 500,
        "learning_rate": 0.035,
        "max_leaf_nodes": 48,
        "min_samples_leaf": 8,
        "l2_regularization": 10.0,
        "max_features": 0.15,
        "max_bins": 64,  # as good as 255 by cross-validation, in four fifths of the time
        "early_stopping": False,  # "auto" holds rows back above 10,000 of them
    },
}
"""Parameters that a config need not name; the others are scikit-learn's defaults."""

_LINEAR: frozenset[ModelName] = frozenset({"ridge", "lasso"})


class ModelError(HousingError, ValueError):
    """Parameters that a model does not have."""


def estimator(model: ModelName, parameters: Parameters, seed: int) -> Any:
    """Return the unfitted scikit-learn regressor with `parameters` over the defaults.

    Raises:
        ModelError: when the model has no parameter of a given name.
    """
    regressor = _CLASSES[model](random_state=seed, **DEFAULTS[model])
    known = regressor.get_params()
    unknown = sorted(parameters.keys() - known.keys())
    if unknown:
        raise ModelError(f"{model} has no {', '.join(unknown)}: it has {', '.join(sorted(known))}")
    return regressor.set_params(**parameters)


def predict_in_one_thread(fitted: Pipeline) -> None:
    """Let a fitted forest add up its trees in one order: several threads do it in any."""
    if "n_jobs" in fitted["model"].get_params():
        fitted["model"].set_params(n_jobs=1)


def features_for(parameters: FeatureParameters) -> HousingFeatures:
    """Return the unfitted features of the chosen parameters: of each fold, and of the model."""
    return HousingFeatures(
        imputer=imputer(parameters.imputer),
        clusters=parameters.clusters,
        random_state=parameters.seed,
    )


def build_pipeline(
    features: FeatureParameters, model: ModelName, parameters: Parameters, seed: int
) -> Pipeline:
    """Return the unfitted pipeline from raw rows to a price in dollars.

    Its steps are "features", "scale" for the linear models only, and "model". Fitting refits the
    features too, so that cross-validation of the pipeline never sees the rows it validates on.
    """
    steps: list[tuple[str, Any]] = [("features", features_for(features))]
    if model in _LINEAR:
        steps.append(("scale", StandardScaler()))
    steps.append(("model", estimator(model, parameters, seed)))
    return Pipeline(steps)
