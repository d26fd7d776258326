"""What runs beside the champion: a canary and a shadow, and after a promotion the guard.

Requests read three attributes, so that without a probation there is nothing to pay.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from housing_ml.releases.records import Channels
from housing_ml.rollout.observations import probation_name
from serve.rollout.canary import Canary
from serve.rollout.guard import Guard
from serve.rollout.shadow import Shadow

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from housing_ml.storage.versioned import ReleaseStorage
    from serve.models.loaded_model import LoadedModel
    from serve.prediction_log.segments import Entry
    from serve.schemas import Dependency
    from serve.telemetry.metrics import Metrics


class Probations:
    """Starts and ends probations as models are loaded and forgotten: one thread calls `follow`."""

    def __init__(
        self, storage: ReleaseStorage, log: Callable[[Entry], None] | None, metrics: Metrics
    ) -> None:
        self.canary: Canary | None = None
        self.shadow: Shadow | None = None
        self.guard: Guard | None = None
        self._storage = storage
        self._log = log
        self._metrics = metrics
        self._name: str | None = None

    def follow(self, champion: LoadedModel | None, beside: Mapping[str, LoadedModel]) -> None:
        """Let the probations be of these models; one that goes on is left alone."""
        self._follow_canary(champion, beside.get("canary"))
        self._follow_guard(champion, beside.get("previous"))
        model = beside.get("shadow")
        ended = self.shadow
        if (ended and ended.model) is model:
            return
        self.shadow = Shadow(model, self._log, self._metrics) if model else None
        if ended:
            ended.close()

    def dependency(self, channel: str) -> Dependency | None:
        """Return how the canary or the shadow does; None when there is none."""
        found = {"canary": self.canary, "shadow": self.shadow, "previous": self.guard}
        probation = found.get(channel)
        return probation.dependency() if probation else None

    def close(self) -> None:
        """End the probations in this process."""
        self.follow(None, {})

    def _follow_canary(self, champion: LoadedModel | None, model: LoadedModel | None) -> None:
        models = {"champion": champion, "canary": model}
        releases = {channel: found.release for channel, found in models.items() if found}
        name = probation_name(Channels(channels=releases))
        ended = self.canary
        if name == self._name and (ended is None or ended.model is model):
            return
        self._name = name
        self.canary = (
            Canary(model, champion, name, self._storage, self._metrics)
            if model and champion and name
            else None
        )
        if ended:
            ended.close()

    def _follow_guard(self, champion: LoadedModel | None, before: LoadedModel | None) -> None:
        ended = self.guard
        if ended and ended.model is champion and ended.before is before:
            return
        self.guard = Guard.over(champion, before, self._storage, datetime.now(UTC))
        if ended:
            ended.close()
