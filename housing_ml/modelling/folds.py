"""Cross-validation with the features refitted in each fold, computed once for many models.

Fitting a pipeline on a fold's training rows and predicting its validation rows gives the same
predictions as fitting the steps after the features on the matrices here.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from sklearn.model_selection import KFold
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from housing_ml.modelling.models import build_pipeline, features_for, predict_in_one_thread
from housing_ml.modelling.processes import in_processes, processors
from housing_ml.progress import steps, with_steps

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import TypeAlias

    from numpy.typing import NDArray
    from sklearn.pipeline import Pipeline

    from housing_ml.config.choices import FeatureParameters, ModelName, Parameters
    from housing_ml.data.contract import Matrix

    Split: TypeAlias = tuple[NDArray[np.intp], NDArray[np.intp]]
    """The numbers of the rows to fit on, and of those to predict."""


class Fold(NamedTuple):
    """The feature matrices (rows, features) and prices (rows,) in dollars of one fold.

    In `train`, the neighbour statistics leave each row itself out; in `validation`, they know the
    training rows only.
    """

    train: NDArray[np.float64]
    train_price: NDArray[np.float64]
    validation: NDArray[np.float64]
    validation_price: NDArray[np.float64]


class FoldPrediction(NamedTuple):
    """Predicted prices in dollars of a fold's training and validation rows."""

    train: NDArray[np.float64]
    validation: NDArray[np.float64]


class Unseen(NamedTuple):
    """Rows as a model sees them that did not know them.

    Float64 `features` (n, features) and `price` (n,) in dollars.
    """

    features: NDArray[np.float64]
    price: NDArray[np.float64]


def splitter(folds: int, seed: int) -> KFold:
    """Return the split into folds: of shuffled rows, the same for the same seed."""
    return KFold(n_splits=folds, shuffle=True, random_state=seed)


def make_folds(
    raw: Matrix, y: NDArray[np.float64], features: FeatureParameters, folds: int, seed: int
) -> tuple[Fold, ...]:
    """Fit the features on each fold's training rows, and transform both sides with them."""
    splits = steps([*splitter(folds, seed).split(raw)], "features of fold")
    return tuple(make_fold(raw, y, features, *split) for split in splits)


def make_fold(
    raw: Matrix,
    y: NDArray[np.float64],
    features: FeatureParameters,
    inside: NDArray[np.intp],
    outside: NDArray[np.intp],
) -> Fold:
    """Fit the features on the rows of the numbers `inside`, and transform both sides with them."""
    fitted = features_for(features)
    train = np.asarray(fitted.fit_transform(raw[inside], y[inside]))
    validation = np.asarray(fitted.transform(raw[outside]))
    return Fold(train, y[inside], validation, y[outside])


def price_unseen(  # noqa: PLR0913, PLR0917 - all that makes a model, and who sees what
    raw: Matrix,
    y: NDArray[np.float64],
    splits: Sequence[Split],
    features: FeatureParameters,
    model: ModelName,
    parameters: Parameters,
    seed: int,
    step: str = "fold",
) -> Iterator[Unseen]:
    """Yield, for each split, its second rows as a model sees them that knows the first ones alone.

    No more folds are in memory than are computed at a time. `step` is what each is called where
    somebody looks.
    """
    work = partial(_price_unseen, raw, y, features, model, parameters, seed)
    found = in_processes(work, splits, processors(len(y)))
    yield from with_steps(found, splits, step)


def _price_unseen(  # noqa: PLR0913, PLR0917 - the same
    raw: Matrix,
    y: NDArray[np.float64],
    features: FeatureParameters,
    model: ModelName,
    parameters: Parameters,
    seed: int,
    split: Split,
) -> Unseen:
    fold = make_fold(raw, y, features, *split)
    return Unseen(fold.validation, predict_validation(fold, features, model, parameters, seed))


def predict_fold(
    fold: Fold, features: FeatureParameters, model: ModelName, parameters: Parameters, seed: int
) -> FoldPrediction:
    """Fit the pipeline's steps after the features on the fold, and predict both its sides.

    Histogram boosting gets one OpenMP thread: on so few rows a second one gains nothing, and on a
    busy machine threads that wait for each other make the fit up to thirty times slower.
    """
    with threadpool_limits(limits=1, user_api="openmp"):
        rest = _fitted(fold, features, model, parameters, seed)
        return FoldPrediction(rest.predict(fold.train), rest.predict(fold.validation))


def predict_validation(
    fold: Fold, features: FeatureParameters, model: ModelName, parameters: Parameters, seed: int
) -> NDArray[np.float64]:
    """Do the same, and predict the validation rows alone, (rows,): a fifth of the time is saved."""
    with threadpool_limits(limits=1, user_api="openmp"):
        found: NDArray[np.float64] = _fitted(fold, features, model, parameters, seed).predict(
            fold.validation
        )
    return found


def _fitted(
    fold: Fold, features: FeatureParameters, model: ModelName, parameters: Parameters, seed: int
) -> Pipeline:
    rest = build_pipeline(features, model, parameters, seed)[1:]
    rest.fit(fold.train, fold.train_price)
    predict_in_one_thread(rest)
    return rest
