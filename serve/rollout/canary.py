"""The canary answers its share of the requests, and the champion whatever it fails to.

It is asked in threads of its own, within a time limit: one that is slow, hangs or raises holds up
no other request. What it fails is counted against it, and answered by the champion.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

import structlog

from housing_ml.rollout.guarding import look_after_canary
from housing_ml.rollout.routing import to_canary
from serve.models.pricing import price, require_prices
from serve.rollout.comparison import Asked, Comparison, Outcome, Timed
from serve.rollout.lane import Lane, LaneFullError
from serve.rollout.looker import Looker
from serve.rollout.probation_counts import ProbationCounts
from serve.schemas import Dependency

if TYPE_CHECKING:
    from collections.abc import Callable

    from litestar.types import Scope

    from housing_ml.data.contract import BlockGroup
    from housing_ml.storage.versioned import ReleaseStorage
    from serve.models.loaded_model import LoadedModel
    from serve.schemas import PredictionResponse
    from serve.telemetry.metrics import Metrics

KEY_HEADER = "X-Routing-Key"

_KEY = KEY_HEADER.lower().encode()
_SECONDS = 1.0
"""The champion answers what takes the canary longer."""

_THREADS = 2
_MOST_OPEN = 32
_COMPLAIN_SECONDS = 10.0

T = TypeVar("T")

logger = structlog.get_logger(__name__)


def routing_key(scope: Scope) -> str:
    """Return what decides whether the canary answers: the caller's key, or the request's id."""
    for name, value in scope["headers"]:
        if name == _KEY and value:
            return value.decode("latin-1")
    return str(scope["state"]["request_id"])


class _Clock:
    """When the model began with a request; it waits for a thread before."""

    began: float | None = None

    def seconds(self) -> float:
        """Return for how long it has been at it; 0 while it waits."""
        return 0.0 if self.began is None else time.perf_counter() - self.began


class Canary:
    """One canary beside one champion."""

    def __init__(
        self,
        model: LoadedModel,
        champion: LoadedModel,
        probation: str,
        storage: ReleaseStorage,
        metrics: Metrics,
    ) -> None:
        self.model = model
        self.counts = ProbationCounts(storage, probation)
        self._comparison = Comparison(model, champion, self.counts)
        self._metrics = metrics
        self._share = model.release.share or 0.0
        self._lane = Lane("canary", _THREADS, _MOST_OPEN)
        self._silent_until = 0.0
        self._last_error: str | None = None
        watched = model.release.watched
        self._looker = Looker("canary", lambda: look_after_canary(storage)) if watched else None

    def takes(self, scope: Scope) -> bool:
        """Whether this request is the canary's."""
        return to_canary(routing_key(scope), self._share, self.model.release.bundle)

    async def price(self, places: list[BlockGroup], asked: Asked) -> Timed | None:
        """Return its prices and seconds; None where it failed, which counts against it."""
        arrived, clock = time.perf_counter(), _Clock()
        try:
            timed = await self._lane.call(lambda: self._timed(places, clock), _SECONDS)
        except Exception as error:  # noqa: BLE001 - the champion answers, whatever it is
            self._failed(error)
            self.counts.failed("canary", time.perf_counter() - arrived)
            self._compare_failure(asked, places, error, clock)
            return None
        self._metrics.on_probation(self.model.version, "canary", "answered")
        return timed

    def compare(self, asked: Asked, places: list[BlockGroup], timed: Timed, ids: list[str]) -> None:
        """Let the champion price the same rows, off the answer's path."""
        self._comparison.offer(
            Outcome(asked, places, "priced", timed.priced.prediction, timed.seconds, ids)
        )

    def compare_beside(
        self, scope: Scope, asked: Asked, places: list[BlockGroup], answer: PredictionResponse
    ) -> None:
        """Let both price a share of what the champion answered, off the answer's path.

        Requests on their own need none of it: the canary's are like the others.
        """
        if to_canary(str(scope["state"]["request_id"]), self._share, self.model.release.bundle):
            ids = [found.prediction_id for found in answer.predictions]
            self._comparison.offer(Outcome(asked, places, "not asked", ids=ids))

    async def ask(self, function: Callable[[], T]) -> T | None:
        """Return what a function of the model returns in time; None when it does not."""
        try:
            found = await self._lane.call(function, _SECONDS)
        except Exception as error:  # noqa: BLE001 - the champion answers, whatever it is
            self._failed(error)
            return None
        self._metrics.on_probation(self.model.version, "canary", "answered")
        return found

    def dependency(self) -> Dependency:
        """Return how it does; degraded when it has failed a request."""
        seen, error = self.counts.arm, self._last_error
        detail = (
            f"version {self.model.version} answers {self._share:.0%}: "
            f"{seen.requests} requests, {seen.errors} failed"
        )
        return Dependency("degraded" if error else "ok", f"{detail}; {error}" if error else detail)

    def close(self) -> None:
        """Report what was counted; answer what is under way."""
        if self._looker:
            self._looker.close()
        self._comparison.close()
        self.counts.close()
        self._lane.close()

    def _compare_failure(
        self, asked: Asked, places: list[BlockGroup], error: Exception, clock: _Clock
    ) -> None:
        """Count what it raised, and what it was late with by itself.

        What waited behind other requests says nothing, unless the model hangs.
        """
        if not isinstance(error, TimeoutError | LaneFullError):
            self._comparison.offer(Outcome(asked, places, "failed"))
        elif clock.seconds() > _SECONDS / 2 or self._lane.is_stuck(_SECONDS):
            self._comparison.offer(Outcome(asked, places, "late"))

    def _timed(self, places: list[BlockGroup], clock: _Clock) -> Timed:
        clock.began = time.perf_counter()
        priced = price(self.model, places)
        require_prices(priced.prediction)
        return Timed(priced, clock.seconds())

    def _failed(self, error: Exception) -> None:
        self._last_error = f"{type(error).__name__}: {error}".rstrip(": ")
        self._metrics.on_probation(self.model.version, "canary", "failed")
        if time.monotonic() >= self._silent_until:
            self._silent_until = time.monotonic() + _COMPLAIN_SECONDS
            logger.warning("canary_failed", version=self.model.version, error=self._last_error)
