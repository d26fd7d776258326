"""The prediction interval: locally weighted conformal prediction from out-of-fold errors.

The interval is price + lower * spread to price + upper * spread. A small second model predicts
the spread, the expected absolute error of a row (Lei et al., Distribution-Free Predictive
Inference for Regression, 2018, section 5.2), so that a mansion at the coast gets a wider interval
than a house in a suburb, and a place far from all training rows a wider one than a place among
them. It learns the square root of the errors, whose tail is too long to learn their mean from, and
knows the price beside the features. A scale by price makes the coverage the same at every price.
The factors are the finite-sample quantiles of the signed
out-of-fold errors in units of the spread, as in CV+ (Barber et al., Predictive Inference with the
Jackknife+, 2021), each tail on its own.

MAPIE's CV+ serves as many models as there are folds, and its split conformal takes rows away from
the model. Here all rows train the one model that is served; its errors are taken to
be those of the folds' models, which saw fewer rows, less what so many more rows are worth.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor

from housing_ml.bundle.manifest import Interval
from housing_ml.modelling.folds import splitter
from housing_ml.modelling.price_scale import SAME, PriceScale, scale_by_price

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from housing_ml.config.modelling import TrainingConfig

_SMALLEST_SHARE = 0.02
_DOLLAR = 1.0

_LEARNING = 0.1
"""Errors fall with the number of rows to this power: out of two and out of five folds of three
splits, by 0.09 to 0.11."""

_BEYOND_STEP = 2
"""Of the rows priced from beyond their block every second one is learnt from: with all of them the
spread near known rows gets worse, and without them nothing tells what a far place is like."""


class Priced(NamedTuple):
    """Training rows with prices of models that did not see them.

    Their numbers `row` (n,); float64 `known` (n, features + 1) is the features and last the price;
    `error` (n,) is actual less price, in dollars.
    """

    row: NDArray[np.intp]
    known: NDArray[np.float64]
    error: NDArray[np.float64]


class Calibration(NamedTuple):
    """A fitted model of the spread's square root, its least value that counts, and the interval.

    `scale` is what the square is multiplied with, by price.
    """

    model: HistGradientBoostingRegressor
    minimum: float
    scale: PriceScale
    interval: Interval

    def spread(self, known: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the spread in dollars, float64 (rows,), of the features and the price."""
        return _squared(self.model.predict(known), self.minimum) * self.scale(known[:, -1])


def calibrate(
    known: NDArray[np.float64],
    error: NDArray[np.float64],
    config: TrainingConfig,
    beyond: Priced | None = None,
) -> Calibration:
    """Fit the spread model and find the factors that give the configured coverage.

    Args:
        known: the training rows' features and out-of-fold price, float64 (rows, features + 1).
        error: actual less out-of-fold price in dollars, float64 (rows,).
        config: the level, and the folds that made `error`.
        beyond: rows priced by models that saw no row of their block of the map: from them the
            spread learns what distance does. The factors come from `error` alone.
    """
    root = np.sqrt(np.abs(error))
    predicted = _out_of_fold(known, root, config, beyond)
    # the square of a mean root is less than the mean: what the spread says is to be the mean
    total = np.square(predicted).sum()
    scale = np.sqrt(np.abs(error).sum() / total) if total > 0 else 1.0
    predicted *= scale
    minimum = max(float(np.quantile(predicted, _SMALLEST_SHARE)), _DOLLAR)
    spread, price = _squared(predicted, minimum), known[:, -1]
    by_price = _scale(price, error, spread, _interval(error / spread, config.interval_level))
    interval = _interval(error / (spread * by_price(price)), config.interval_level)
    model = _fit(known, scale * root, np.arange(len(root)), config, _scaled(beyond, scale))
    return Calibration(model, minimum, by_price, interval)


def as_of_all_rows(error: NDArray[np.float64], folds: int) -> NDArray[np.float64]:
    """Return errors of models of all folds but one as large as those of a model of all rows."""
    found: NDArray[np.float64] = error * (1 - 1 / folds) ** _LEARNING
    return found


def conformal_quantile(scores: NDArray[np.float64], level: float) -> float:
    """Return the least score that at least `level` of n + 1 exchangeable scores do not exceed.

    It is the ceil((n + 1) * level)-th smallest of the n scores; the largest where there are too
    few scores for the level.
    """
    rank = min(math.ceil((len(scores) + 1) * level), len(scores))
    return float(np.partition(scores, rank - 1)[rank - 1])


def _interval(scores: NDArray[np.float64], level: float) -> Interval:
    tail = (1 - level) / 2
    return Interval(
        level=level,
        lower=min(-conformal_quantile(-scores, 1 - tail), 0.0),
        upper=max(conformal_quantile(scores, 1 - tail), 0.0),
    )


def _scale(
    price: NDArray[np.float64],
    error: NDArray[np.float64],
    spread: NDArray[np.float64],
    interval: Interval,
) -> PriceScale:
    """Return factors that cover each price alike and leave the spread's mean that of the errors."""
    if not interval.lower < 0 < interval.upper:
        return SAME
    ends = np.where(error < 0, interval.lower, interval.upper) * spread
    found = scale_by_price(price, error / ends, interval.level)
    mean = np.abs(error).sum() / (spread * found(price)).sum()
    return found._replace(factors=mean * found.factors)


def _squared(root: NDArray[np.float64], minimum: float) -> NDArray[np.float64]:
    return np.square(np.maximum(root, minimum))


def _scaled(beyond: Priced | None, scale: float) -> Priced | None:
    return None if beyond is None else beyond._replace(error=beyond.error * scale**2)


def _out_of_fold(
    known: NDArray[np.float64],
    root: NDArray[np.float64],
    config: TrainingConfig,
    beyond: Priced | None,
) -> NDArray[np.float64]:
    """Return each row's root of the spread, float64 (rows,), from a model that did not see it."""
    predicted = np.empty(len(root))
    for inside, outside in splitter(config.folds, config.seed).split(known):
        predicted[outside] = _fit(known, root, inside, config, beyond).predict(known[outside])
    return predicted


def _fit(
    known: NDArray[np.float64],
    root: NDArray[np.float64],
    inside: NDArray[np.intp],
    config: TrainingConfig,
    beyond: Priced | None,
) -> HistGradientBoostingRegressor:
    """Fit on the rows of the numbers `inside`, and on some of the same from beyond their block."""
    rows, roots = known[inside], root[inside]
    if beyond is not None:
        some = np.isin(beyond.row, inside[::_BEYOND_STEP])
        rows = np.vstack([rows, beyond.known[some]])
        roots = np.concatenate([roots, np.sqrt(np.abs(beyond.error[some]))])
    return _spread_model(config.seed).fit(rows, roots)


def _spread_model(seed: int) -> HistGradientBoostingRegressor:
    return HistGradientBoostingRegressor(
        loss="squared_error",
        max_iter=80,
        learning_rate=0.07,
        max_leaf_nodes=16,
        min_samples_leaf=60,
        max_features=0.2,
        early_stopping=False,
        random_state=seed,
    )
