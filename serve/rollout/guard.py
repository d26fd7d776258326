"""The guard over a new champion: the one before prices the same rows, off the answer's path.

For some hours after a promotion. Requests put what they were answered into a bounded queue, which
never waits; a thread compares, and another one looks whether the old champion must come back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from housing_ml.bundle.model import Prediction
from housing_ml.releases.records import Channels
from housing_ml.rollout.guarding import look_after_champion
from housing_ml.rollout.observations import guard_name
from serve.models.pricing import NotAPriceError, require_prices
from serve.rollout.comparison import Asked, Comparison, Outcome
from serve.rollout.looker import Looker
from serve.rollout.probation_counts import ProbationCounts
from serve.schemas import Dependency

if TYPE_CHECKING:
    from datetime import datetime

    from housing_ml.data.contract import BlockGroup
    from housing_ml.storage.versioned import ReleaseStorage
    from serve.models.loaded_model import LoadedModel
    from serve.schemas import PredictionResponse


class Guard:
    """One new champion beside the one before."""

    def __init__(
        self, name: str, model: LoadedModel, before: LoadedModel, storage: ReleaseStorage
    ) -> None:
        self.model, self.before = model, before
        self.counts = ProbationCounts(storage, name)
        self._comparison = Comparison(model, before, self.counts)
        self._looker = Looker("guard", lambda: look_after_champion(storage))

    @classmethod
    def over(
        cls,
        model: LoadedModel | None,
        before: LoadedModel | None,
        storage: ReleaseStorage,
        at: datetime,
    ) -> Guard | None:
        """Return the guard over a new champion; None when there is none at that time."""
        if model is None or before is None:
            return None
        channels = Channels(channels={"champion": model.release, "previous": before.release})
        name = guard_name(channels, at)
        return cls(name, model, before, storage) if name else None

    def answered(
        self, asked: Asked, places: list[BlockGroup], answer: PredictionResponse, seconds: float
    ) -> None:
        """Compare an answer soon; one of another model, just before or after it, is none of it."""
        if answer.model_version != self.model.version:
            return
        found = [
            (item.predicted_price, item.prediction_interval.lower, item.prediction_interval.upper)
            for item in answer.predictions
        ]
        prediction = Prediction(*np.array(found, dtype=np.float64).T)
        try:
            require_prices(prediction)
        except NotAPriceError:
            self.failed(asked, places)
            return
        self.counts.answered("canary", seconds, answer)
        ids = [item.prediction_id for item in answer.predictions]
        self._comparison.offer(Outcome(asked, places, "priced", prediction, seconds, ids))

    def failed(self, asked: Asked, places: list[BlockGroup]) -> None:
        """Count a request that the champion failed, or gave no price."""
        self.counts.failed("canary", 0.0)
        self._comparison.offer(Outcome(asked, places, "failed"))

    def dependency(self) -> Dependency:
        """Return how it does; degraded when nobody could look."""
        seen, error = self.counts.arm, self._looker.last_error
        detail = (
            f"version {self.model.version} is held against version {self.before.version}: "
            f"{seen.requests} requests, {seen.errors} failed"
        )
        return Dependency("degraded" if error else "ok", f"{detail}; {error}" if error else detail)

    def close(self) -> None:
        """Report what was counted, and end."""
        self._looker.close()
        self._comparison.close()
        self.counts.close()
