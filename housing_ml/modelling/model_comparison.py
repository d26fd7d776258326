"""Which model is best: every candidate with every point of its grid, cross-validated."""

from __future__ import annotations

from functools import partial
from itertools import product
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from housing_ml.modelling.folds import make_folds, predict_fold
from housing_ml.modelling.metrics import METRIC_NAMES, metrics
from housing_ml.modelling.models import build_pipeline
from housing_ml.modelling.processes import in_processes, processors
from housing_ml.modelling.sampling import sampled
from housing_ml.progress import with_steps
from housing_ml.records.metrics import Metrics
from housing_ml.records.selection import CandidateScore, SelectionReport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import TypeAlias

    from numpy.typing import NDArray

    from housing_ml.config.choices import FeatureParameters, ModelName, Parameters
    from housing_ml.config.modelling import SelectionConfig
    from housing_ml.data.contract import Matrix
    from housing_ml.modelling.folds import Fold

    Point: TypeAlias = tuple[ModelName, Parameters]


_ERRORS = 3.0
"""Standard errors by which a model is worse than the best on the first fold to see no other.

Both have an error on each row, so that rows which are hard for all count for neither (racing: Maron
and Moore, Hoeffding Races, 1994).
"""


class Judgement(NamedTuple):
    """How a model did on one fold, on the rows that it was fitted on and on the others.

    `error` (rows,) is what it missed each of the others by, in dollars.
    """

    train: Metrics
    validation: Metrics
    error: NDArray[np.float64]
    seconds: float


def select_model(
    raw: Matrix, y: NDArray[np.float64], features: FeatureParameters, config: SelectionConfig
) -> SelectionReport:
    """Cross-validate all candidates on `raw` (rows, 9) and prices `y` (rows,) in dollars.

    The winner has the least mean wMAPE of validation. All see the same folds, whose features are
    fitted once; what is clearly worse than the best on the first one goes no further. A training
    error is that on the matrix that the model was fitted on: in it, the neighbour statistics leave
    each row out, while a fitted pipeline would let it see its own price.

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
    judged = _judged(folds, points, features, config.seed, len(y))
    scores = [_score(*pair, config) for pair in zip(points, judged, strict=True)]
    scores.sort(key=lambda score: (-score.folds, score.validation.wmape))
    return SelectionReport(
        winner=scores[0].model,
        parameters=scores[0].parameters,
        candidates=tuple(scores),
        rows=len(raw),
        folds=config.folds,
        feature_seconds=feature_seconds,
    )


def _points(config: SelectionConfig) -> Iterator[Point]:
    for candidate in config.candidates:
        for values in product(*candidate.grid.values()):
            yield candidate.model, dict(zip(candidate.grid, values, strict=True))


def _judged(
    folds: Sequence[Fold],
    points: Sequence[Point],
    features: FeatureParameters,
    seed: int,
    rows: int,
) -> list[list[Judgement]]:
    """Return, of each point, how it did on the folds that it got to."""
    judge, processes = partial(_judge, features, seed), processors(rows)
    found = in_processes(judge, [(folds[0], point) for point in points], processes)
    judged = [[first] for first in with_steps(found, points, "model")]
    best = min((first for (first,) in judged), key=lambda first: first.validation.wmape)
    rest = [
        (number, fold)
        for number, (first,) in enumerate(judged)
        if not _clearly_worse(first.error - best.error)
        for fold in folds[1:]
    ]
    found = in_processes(judge, [(fold, points[number]) for number, fold in rest], processes)
    for (number, _), judgement in zip(rest, with_steps(found, rest, "fold"), strict=True):
        judged[number].append(judgement)
    return judged


def _judge(features: FeatureParameters, seed: int, work: tuple[Fold, Point]) -> Judgement:
    fold, point = work
    start = perf_counter()
    predicted = predict_fold(fold, features, *point, seed)
    return Judgement(
        metrics(fold.train_price, predicted.train),
        metrics(fold.validation_price, predicted.validation),
        np.abs(fold.validation_price - predicted.validation),
        perf_counter() - start,
    )


def _clearly_worse(more: NDArray[np.float64]) -> bool:
    """Return whether an error is larger beyond chance; `more` (rows,) is by how much on each."""
    return bool(more.mean() > _ERRORS * more.std(ddof=1) / np.sqrt(len(more)))


def _score(point: Point, judged: Sequence[Judgement], config: SelectionConfig) -> CandidateScore:
    train, validation, _, seconds = zip(*judged, strict=True)
    fitted, held_out = _across(train, np.mean), _across(validation, np.mean)
    return CandidateScore(
        model=point[0],
        parameters=point[1],
        train=fitted,
        validation=held_out,
        validation_std=_across(validation, np.std),
        folds=len(judged),
        overfitting=held_out.rmse > config.overfitting_ratio * fitted.rmse,
        seconds=sum(seconds),
    )


def _across(values: Sequence[Metrics], reduce: Callable[[list[float]], float]) -> Metrics:
    columns = {name: [getattr(value, name) for value in values] for name in METRIC_NAMES}
    return Metrics(**{name: float(reduce(column)) for name, column in columns.items()})
