"""From block groups to priced block groups, each request by one model.

The champion prices them, and a canary its share of the requests. Small requests that arrive
together are priced as one batch: NumPy and the trees cost nearly the same for sixteen rows as for
one. Nothing waits for a batch to fill: it is whatever the event loop had ready. Large requests are
priced in a thread, so that small ones do not wait for them.
"""

from __future__ import annotations

import asyncio
import time
from functools import partial
from itertools import groupby
from operator import itemgetter
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from housing_ml.data.contract import BlockGroup, to_matrix
from serve.api.access import caller
from serve.api.problems import ProblemError, no_model, unavailable
from serve.models.explanation import explained
from serve.models.pricing import Priced, price
from serve.models.recent import Recent
from serve.models.turn import aside
from serve.prediction_log.segments import Entry
from serve.rollout.canary import routing_key
from serve.rollout.comparison import Asked
from serve.rollout.lane import Lane, LaneFullError
from serve.schemas import ExplanationResponse, PredictionResponse

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from litestar.types import Scope

    from serve.models.loaded_model import LoadedModel
    from serve.models.model_store import ModelStore
    from serve.prediction_log.log import PredictionLog
    from serve.rollout.canary import Canary
    from serve.rollout.probations import Probations
    from serve.sources.id_keys import IdKeys
    from serve.telemetry.metrics import Metrics

_SMALL = 16
_THREADS = 2
_MOST_OPEN = 64
"""Large requests, and explanations, that may be under way; more are refused, each kind alone."""

_LANE_SECONDS = 30.0
T = TypeVar("T")


class _Waiting(NamedTuple):
    caller: str
    places: list[BlockGroup]
    answer: asyncio.Future[PredictionResponse]


class Predictor:
    """Prices and explains block groups, and logs each price."""

    def __init__(
        self,
        store: ModelStore,
        probations: Probations,
        log: PredictionLog | None,
        metrics: Metrics,
        ids: IdKeys,
    ) -> None:
        self._store = store
        self._probations = probations
        self._log = log
        self._metrics = metrics
        self._batch: list[_Waiting] = []
        self._turn = Lock()
        self._large = Lane("predict", _THREADS, _MOST_OPEN)
        self._explanations = Lane("explain", 1, _MOST_OPEN)
        self._ids = ids
        self.recent = Recent()

    async def predict(self, places: list[BlockGroup], scope: Scope) -> PredictionResponse:
        """Return the price of each block group, by the champion or the canary.

        Raises:
            ProblemError: 503 while there is no model, or when too many large requests wait.
        """
        canary = self._probations.canary
        if canary is None:
            return await self._guarded(places, scope)
        return await self._beside(canary, places, scope)

    async def explain(self, places: list[BlockGroup], scope: Scope) -> ExplanationResponse:
        """Return why each block group's price is what it is; as `predict` does."""
        canary = self._probations.canary
        if canary and canary.takes(scope):
            answer = await canary.ask(lambda: _explain(canary.model, places))
            if answer:
                return answer
        return await _in(
            self._explanations, "explanations", lambda: _explain(self._model(), places)
        )

    async def _by_champion(self, places: list[BlockGroup], sender: str) -> PredictionResponse:
        if len(places) > _SMALL:
            return await _in(self._large, "large requests", lambda: self._in_turn(places, sender))
        loop = asyncio.get_running_loop()
        if not self._batch:
            loop.call_soon(self._flush)
        waiting = _Waiting(sender, places, loop.create_future())
        self._batch.append(waiting)
        return await waiting.answer

    async def _guarded(self, places: list[BlockGroup], scope: Scope) -> PredictionResponse:
        """Answer by the champion; while the guard lasts it is told how that went."""
        guard, sender = self._probations.guard, caller(scope)
        if guard is None:
            return await self._by_champion(places, sender)
        asked, started = Asked(sender, routing_key(scope)), time.perf_counter()
        try:
            answer = await self._by_champion(places, sender)
        except ProblemError:
            raise
        except Exception:
            guard.failed(asked, places)
            raise
        guard.answered(asked, places, answer, time.perf_counter() - started)
        return answer

    async def _beside(
        self, canary: Canary, places: list[BlockGroup], scope: Scope
    ) -> PredictionResponse:
        """Answer while a canary runs, and count for the watch who did how."""
        started, sender = time.perf_counter(), caller(scope)
        asked = Asked(sender, routing_key(scope))
        if canary.takes(scope):
            timed = await canary.price(places, asked)
            if timed is None:
                return await self._guarded(places, scope)
            answer = self._respond(timed.priced, [len(places)], [sender])[0]
            canary.counts.answered("canary", time.perf_counter() - started, answer)
            ids = [found.prediction_id for found in answer.predictions]
            canary.compare(asked, places, timed, ids)
            return answer
        try:
            answer = await self._guarded(places, scope)
        except ProblemError:
            raise
        except Exception:
            canary.counts.failed("champion", time.perf_counter() - started)
            raise
        canary.counts.answered("champion", time.perf_counter() - started, answer)
        canary.compare_beside(scope, asked, places, answer)
        return answer

    def close(self) -> None:
        """Let the threads end."""
        self._large.close()
        self._explanations.close()

    def _flush(self) -> None:
        batch, self._batch = self._batch, []
        open_requests = [waiting for waiting in batch if not waiting.answer.done()]
        if not open_requests:
            return
        try:
            answers = self._answer(
                [waiting.places for waiting in open_requests],
                [waiting.caller for waiting in open_requests],
            )
        except Exception as error:  # noqa: BLE001 - each request answers for it
            for waiting in open_requests:
                waiting.answer.set_exception(error)
            return
        for waiting, answer in zip(open_requests, answers, strict=True):
            waiting.answer.set_result(answer)

    def _answer(
        self, requests: Sequence[list[BlockGroup]], senders: Sequence[str]
    ) -> list[PredictionResponse]:
        places = [place for request in requests for place in request]
        sizes = [len(request) for request in requests]
        return self._respond(price(self._model(), places), sizes, senders)

    def _in_turn(self, places: list[BlockGroup], sender: str) -> PredictionResponse:
        """Answer one large request, with the other threads beside its trees alone."""
        with self._turn:
            priced = price(self._model(), places, partial(aside, self._turn))
            return self._respond(priced, [len(places)], [sender])[0]

    def _respond(
        self, priced: Priced, sizes: Sequence[int], senders: Sequence[str]
    ) -> list[PredictionResponse]:
        """Return the answers of these callers' requests; count and log what they say."""
        model, raw, prediction = priced.model, priced.raw, priced.prediction
        ids = self._named(priced, sizes, senders)
        self._metrics.predicted(model.version, model.channel, prediction.price)
        if self._log:
            self._log.offer(Entry.of(model.version, model.channel, ids, raw, prediction))
        self.recent.add(senders, sizes, raw, prediction.price)
        shadow = self._probations.shadow
        if shadow:
            shadow.offer(ids, raw, prediction)
        ends = iter(priced.named(ids))
        return [
            PredictionResponse([next(ends) for _ in range(size)], model.version, model.channel)
            for size in sizes
        ]

    def _named(self, priced: Priced, sizes: Sequence[int], senders: Sequence[str]) -> list[str]:
        """Name the rows; those of one caller together, whatever requests they came with."""
        issue, ids = self._ids.current.issue, list[str]()
        for sender, requests in groupby(zip(senders, sizes, strict=True), itemgetter(0)):
            rows = sum(size for _, size in requests)
            ids += issue(sender, priced.model.version, priced.raw[len(ids) : len(ids) + rows])
        return ids

    def _model(self) -> LoadedModel:
        model = self._store.current
        if model is None:
            raise no_model()
        return model


async def _in(lane: Lane, kind: str, function: Callable[[], T]) -> T:
    try:
        return await lane.call(function, _LANE_SECONDS)
    except LaneFullError:
        raise unavailable(f"Too many {kind} wait; ask again in a moment.") from None
    except TimeoutError:
        raise unavailable(f"This took longer than {_LANE_SECONDS:.0f} seconds.") from None


def _explain(model: LoadedModel, places: list[BlockGroup]) -> ExplanationResponse:
    explanations = explained(model.bundle, to_matrix(places))
    return ExplanationResponse(explanations, model.version, model.channel)
