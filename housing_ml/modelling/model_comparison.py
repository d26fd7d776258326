"""Which model is best: every candidate with every point of its grid, cross-validated."""

from __future__ import annotations

from itertools import product
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from housing_ml.modelling.folds import make_folds, predict_fold
from housing_ml.modelling.metrics import METRIC_NAMES, metrics
from housing_ml.modelling.models import build_pipeline
from housing_ml.modelling.sampling import sampled
from housing_ml.progress import steps
from housing_ml.records.metrics import Metrics
from housing_ml.records.selection import CandidateScore, SelectionReport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from housing_ml.config.choices import FeatureParameters, ModelName, Parameters
    from housing_ml.config.modelling import SelectionConfig
    from housing_ml.data.contract import Matrix
    from housing_ml.modelling.folds import Fold


def select_model(
    raw: Matrix, y: NDArray[np.float64], features: FeatureParameters, config: SelectionConfig
) -> SelectionReport:
    """Cross-validate all candidates on `raw` (rows, 9) and prices `y` (rows,) in dollars.

    The winner has the least mean wMAPE of validation. All see the same folds, whose features are
    fitted once. A training error is that on the matrix that the model was fitted on: in it, the
    neighbour statistics leave each row out, while a fitted pipeline would let it see its own price.

    Raises:
        ModelError: before any work, when a grid names a parameter that its model does not have.
    """
    points = list(_points(config))
    for model, parameters in points:
        build_pipeline(features, model, parameters, config.seed)
    raw, y = sampled(raw, y, config.most_rows, config.seed)
    start = perf_counter()
    folds = make_folds(raw, y, features, config.folds, config.seed)
    feature_seconds = perf_counter() - start
    scores = [_score(folds, features, point, config) for point in steps(points, "model")]
    scores.sort(key=lambda score: score.validation.wmape)
    return SelectionReport(
        winner=scores[0].model,
        parameters=scores[0].parameters,
        candidates=tuple(scores),
        rows=len(raw),
        folds=config.folds,
        feature_seconds=feature_seconds,
    )


def _points(config: SelectionConfig) -> Iterator[tuple[ModelName, Parameters]]:
    for candidate in config.candidates:
        for values in product(*candidate.grid.values()):
            yield candidate.model, dict(zip(candidate.grid, values, strict=True))


def _score(
    folds: Sequence[Fold],
    features: FeatureParameters,
    point: tuple[ModelName, Parameters],
    config: SelectionConfig,
) -> CandidateScore:
    start = perf_counter()
    train, validation = [], []
    for fold in steps(folds, "fold"):
        predicted = predict_fold(fold, features, *point, config.seed)
        train.append(metrics(fold.train_price, predicted.train))
        validation.append(metrics(fold.validation_price, predicted.validation))
    fitted, held_out = _across(train, np.mean), _across(validation, np.mean)
    return CandidateScore(
        model=point[0],
        parameters=point[1],
        train=fitted,
        validation=held_out,
        validation_std=_across(validation, np.std),
        overfitting=held_out.rmse > config.overfitting_ratio * fitted.rmse,
        seconds=perf_counter() - start,
    )


def _across(values: Sequence[Metrics], reduce: Callable[[list[float]], float]) -> Metrics:
    columns = {name: [getattr(value, name) for value in values] for name in METRIC_NAMES}
    return Metrics(**{name: float(reduce(column)) for name, column in columns.items()})
