"""Raw rows priced by one model, and the answers made of that."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from housing_ml.data.contract import Matrix, to_matrix
from serve.schemas import PredictedPrice, PredictionInterval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from housing_ml.bundle.model import Aside, Prediction
    from housing_ml.data.contract import BlockGroup
    from serve.models.loaded_model import LoadedModel


class NotAPriceError(ArithmeticError):
    """A model's price is no positive number of dollars."""


class Priced(NamedTuple):
    """Rows, float64 (rows, 9), and what a model made of them."""

    model: LoadedModel
    raw: Matrix
    prediction: Prediction
    warnings: list[list[str]]

    def named(self, ids: Sequence[str]) -> list[PredictedPrice]:
        """Return the prices as the API answers them, each with its id."""
        level = self.model.bundle.manifest.interval.level
        return [
            PredictedPrice(name, price, PredictionInterval(lower, upper, level), warnings, is_open)
            for name, price, lower, upper, warnings, is_open in zip(
                ids,
                *(column.tolist() for column in self.prediction),
                self.warnings,
                self.model.bundle.is_open(self.prediction).tolist(),
                strict=True,
            )
        ]


def price(model: LoadedModel, places: list[BlockGroup], aside: Aside = nullcontext) -> Priced:
    """Return the model's prices of block groups; `aside` is that of `Bundle.predict_matrix`."""
    raw = to_matrix(places)
    prediction = model.bundle.predict_matrix(raw, aside)
    return Priced(model, raw, prediction, model.bundle.warnings_for(raw))


def require_prices(prediction: Prediction) -> None:
    """Raise NotAPriceError unless every price and bound is a positive number."""
    if not all(np.isfinite(column).all() and (column > 0).all() for column in prediction):
        raise NotAPriceError("a price is no positive number")
