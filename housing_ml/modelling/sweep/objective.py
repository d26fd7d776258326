"""What a sweep lowers: the cross-validated wMAPE of a model with given parameters."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cached_property, partial
from hashlib import sha256
from importlib.metadata import version
from typing import TYPE_CHECKING

from housing_ml.fingerprint import WORDING, code_fingerprint
from housing_ml.modelling.folds import make_folds, predict_validation
from housing_ml.modelling.metrics import metrics
from housing_ml.modelling.models import estimator
from housing_ml.modelling.processes import in_processes, processors
from housing_ml.modelling.sampling import sampled
from housing_ml.modelling.sweep.space import SPACES
from housing_ml.progress import with_steps

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from housing_ml.config.choices import FeatureParameters, ModelName, Parameters
    from housing_ml.config.sweep import SweepConfig
    from housing_ml.data.contract import Matrix
    from housing_ml.modelling.folds import Fold
    from housing_ml.modelling.sweep.space import Space


_LIBRARIES = ("numpy", "pykdtree", "scipy", "scikit-learn")

_UNSEEN = (
    WORDING,
    "housing_ml.orchestration",
    "housing_ml.progress",
    "housing_ml.records",
    "housing_ml.reporting",
    "housing_ml.storage",
)
"""What changes no trial."""


@dataclass(frozen=True)
class Objective:
    """One model on training rows `raw` (rows, 9) with prices `y` (rows,) in dollars.

    `start` holds the parameters to beat. Folds, whose features are refitted in each, are computed
    once, when the first trial needs them.
    """

    raw: Matrix
    y: NDArray[np.float64]
    features: FeatureParameters
    model: ModelName
    start: Parameters
    config: SweepConfig

    @cached_property
    def folds(self) -> tuple[Fold, ...]:
        """The folds that every trial is judged on."""
        raw, y = sampled(self.raw, self.y, self.config.most_rows, self.config.seed)
        return make_folds(raw, y, self.features, self.config.folds, self.config.seed)

    def within(self, minutes: float) -> Objective:
        """Return the same objective with another budget of minutes."""
        return replace(self, config=self.config.model_copy(update={"minutes": minutes}))

    @property
    def space(self) -> Space:
        """The model's space, widened to hold the parameters to beat."""
        return SPACES[self.model].including(self._given)

    @property
    def point(self) -> Parameters:
        """The parameters to beat as a point of the space."""
        return {name: self._given[name] for name in self.space.dimensions}

    @property
    def _given(self) -> Parameters:
        """All parameters of the model: those of `start`, and the defaults of the others."""
        given: Parameters = estimator(self.model, self.start, self.config.seed).get_params()
        return given

    def fold_wmapes(self, parameters: Parameters) -> Iterator[float]:
        """Fit fold by fold and yield each one's wMAPE, so that a driver may stop in between.

        Where trials run one after the other, each has all processors for its folds.
        """
        rows = min(len(self.y), self.config.most_rows)
        processes = processors(rows) if self.config.workers == 1 else 1
        yield from with_steps(self._fold_wmapes(parameters, processes), self.folds, "fold")

    def _fold_wmapes(self, parameters: Parameters, processes: int) -> Iterator[float]:
        work = partial(_wmape, self.features, self.model, parameters, self.config.seed)
        for first in range(0, len(self.folds), processes):
            yield from in_processes(work, self.folds[first : first + processes], processes)

    def digest(self, data: str) -> str:
        """Return the SHA-256 of all that shapes a trial, to name a study by; not of its budget.

        Args:
            data: digest of `raw` and `y`.
        """
        shape = {
            "data": data,
            "code": code_fingerprint(__name__, without=_UNSEEN),
            "libraries": {name: version(name) for name in _LIBRARIES},
            "features": self.features.model_dump(),
            "model": self.model,
            "start": self.start,
            "folds": self.config.folds,
            "seed": self.config.seed,
        }
        return sha256(json.dumps(shape, sort_keys=True).encode()).hexdigest()


def _wmape(
    features: FeatureParameters, model: ModelName, parameters: Parameters, seed: int, fold: Fold
) -> float:
    predicted = predict_validation(fold, features, model, parameters, seed)
    return metrics(fold.validation_price, predicted).wmape
