"""Prices of training rows by models that did not see them: what interval and monitor learn from.

Each fold's model knows as many rows as any other's. So of very many rows those of one fold, drawn
by chance, tell as much of its errors as those of all, in a fraction of the time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from housing_ml.modelling.folds import price_unseen, splitter
from housing_ml.modelling.known_places import is_known_out_of_fold

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from housing_ml.config.choices import FeatureParameters, ModelName, Parameters
    from housing_ml.config.modelling import TrainingConfig
    from housing_ml.data.contract import Matrix


class OutOfFold(NamedTuple):
    """All training rows, or those of one fold: their numbers `row` (n,), ascending.

    Float64 `price` (n,) in dollars is from a model that did not see the row; bool `known` (n,)
    says whether that model saw another row of its place.
    """

    row: NDArray[np.intp]
    price: NDArray[np.float64]
    known: NDArray[np.bool_]


def price_out_of_fold(  # noqa: PLR0913, PLR0917 - what the final fit takes
    raw: Matrix,
    y: NDArray[np.float64],
    features: FeatureParameters,
    model: ModelName,
    parameters: Parameters,
    config: TrainingConfig,
) -> OutOfFold:
    """Price rows of `raw` (rows, 9), with prices `y` (rows,) in dollars, by models without them.

    They are all rows, or those of the first fold where there are more than `config.most_rows`.
    """
    folds = config.folds if len(raw) <= config.most_rows else 1
    splits = [*splitter(config.folds, config.seed).split(raw)][:folds]
    price = np.empty(len(raw))
    found = price_unseen(raw, y, splits, features, model, parameters, config.seed)
    for (_, outside), unseen in zip(splits, found, strict=True):
        price[outside] = unseen.price
    row = np.sort(np.concatenate([outside for _, outside in splits]))
    return OutOfFold(row, price[row], is_known_out_of_fold(raw, splits)[row])
