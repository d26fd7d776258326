"""The prediction interval: locally weighted conformal prediction from out-of-fold errors.

The interval is price + lower * spread to price + upper * spread. A small second model predicts
the spread, the expected absolute error of a row (Lei et al., Distribution-Free Predictive
Inference for Regression, 2018, section 5.2), so that a mansion at the coast gets a wider interval
than a house in a suburb. The factors are the finite-sample quantiles of the signed out-of-fold
errors in units of the spread, as in CV+ (Barber et al., Predictive Inference with the Jackknife+,
2021), each tail on its own.

MAPIE's CV+ serves as many models as there are folds, and its split conformal takes rows away from
the model. Here all rows train the one model that is served; the price is that its errors are
taken to be no larger than those of the folds' models, which saw fewer rows.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.model_selection import cross_val_predict

from housing_ml.bundle.manifest import Interval
from housing_ml.modelling.folds import splitter

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from housing_ml.config.modelling import TrainingConfig

_SMALLEST_SHARE = 0.02
_DOLLAR = 1.0


class Calibration(NamedTuple):
    """A fitted spread model, the least spread in dollars that counts, and the interval."""

    model: HistGradientBoostingRegressor
    minimum: float
    interval: Interval

    def spread(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the spread in dollars, float64 (rows,), of a feature matrix."""
        spread: NDArray[np.float64] = self.model.predict(features)
        return np.maximum(spread, self.minimum)


def calibrate(
    features: NDArray[np.float64], error: NDArray[np.float64], config: TrainingConfig
) -> Calibration:
    """Fit the spread model and find the factors that give the configured coverage.

    Args:
        features: the training rows' matrix, float64 (rows, features).
        error: actual less out-of-fold price in dollars, float64 (rows,).
        config: the level, and the folds that made `error`.
    """
    size = np.abs(error)
    model = _spread_model(config.seed)
    folds = splitter(config.folds, config.seed)
    out_of_fold = cross_val_predict(model, features, size, cv=folds)
    minimum = max(float(np.quantile(out_of_fold, _SMALLEST_SHARE)), _DOLLAR)
    scores = error / np.maximum(out_of_fold, minimum)
    tail = (1 - config.interval_level) / 2
    interval = Interval(
        level=config.interval_level,
        lower=min(-conformal_quantile(-scores, 1 - tail), 0.0),
        upper=max(conformal_quantile(scores, 1 - tail), 0.0),
    )
    return Calibration(model.fit(features, size), minimum, interval)


def conformal_quantile(scores: NDArray[np.float64], level: float) -> float:
    """Return the least score that at least `level` of n + 1 exchangeable scores do not exceed.

    It is the ceil((n + 1) * level)-th smallest of the n scores; the largest where there are too
    few scores for the level.
    """
    rank = min(math.ceil((len(scores) + 1) * level), len(scores))
    return float(np.partition(scores, rank - 1)[rank - 1])


def _spread_model(seed: int) -> HistGradientBoostingRegressor:
    return HistGradientBoostingRegressor(
        loss="squared_error",
        max_iter=30,
        learning_rate=0.15,
        max_leaf_nodes=12,
        min_samples_leaf=40,
        max_features=0.3,
        early_stopping=False,
        random_state=seed,
    )
