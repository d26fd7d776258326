"""From block groups to priced block groups, by one model at a time.

Small requests that arrive together are priced as one batch: NumPy and the trees cost nearly the
same for sixteen rows as for one. Nothing waits for a batch to fill: it is whatever the event loop
had ready. Large requests are priced in a thread, so that small ones do not wait for them.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from housing_ml.contract import BlockGroup, to_matrix
from serve import explanation
from serve.problems import ProblemError
from serve.schemas import (
    Explanation,
    ExplanationResponse,
    PredictedPrice,
    PredictionInterval,
    PredictionResponse,
)
from serve.segments import Entry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from serve.metrics import Metrics
    from serve.model_store import LoadedModel, ModelStore
    from serve.prediction_log import PredictionLog

_SMALL = 16
_THREADS = 2
_MOST_WAITING = 64
_REFERENCES = 16
"""Reference rows of an explanation: 512 predictions for each instance."""

T = TypeVar("T")


class _Waiting(NamedTuple):
    places: list[BlockGroup]
    answer: asyncio.Future[PredictionResponse]


class Predictor:
    """Prices and explains block groups with the store's current model, and logs each price."""

    def __init__(self, store: ModelStore, log: PredictionLog | None, metrics: Metrics) -> None:
        self._store = store
        self._log = log
        self._metrics = metrics
        self._batch: list[_Waiting] = []
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="predict")
        self._in_threads = 0
        self._prefix = secrets.token_hex(9)
        self._numbers = itertools.count()

    async def predict(self, places: list[BlockGroup]) -> PredictionResponse:
        """Return the price of each block group.

        Raises:
            ProblemError: 503 while there is no model, or when too many large requests wait.
        """
        if len(places) > _SMALL:
            return await self._in_thread(lambda: self._answer([places])[0])
        loop = asyncio.get_running_loop()
        if not self._batch:
            loop.call_soon(self._flush)
        waiting = _Waiting(places, loop.create_future())
        self._batch.append(waiting)
        return await waiting.answer

    async def explain(self, places: list[BlockGroup]) -> ExplanationResponse:
        """Return why each block group's price is what it is; raises as `predict` does."""
        return await self._in_thread(lambda: self._explain(places))

    def close(self) -> None:
        """Wait for the threads."""
        self._threads.shutdown()

    def _flush(self) -> None:
        batch, self._batch = self._batch, []
        open_requests = [waiting for waiting in batch if not waiting.answer.done()]
        if not open_requests:
            return
        try:
            answers = self._answer([waiting.places for waiting in open_requests])
        except Exception as error:  # noqa: BLE001 - each request answers for it
            for waiting in open_requests:
                waiting.answer.set_exception(error)
            return
        for waiting, answer in zip(open_requests, answers, strict=True):
            waiting.answer.set_result(answer)

    async def _in_thread(self, function: Callable[[], T]) -> T:
        if self._in_threads >= _MOST_WAITING:
            raise _unavailable("Too many large requests wait; ask again in a moment.")
        self._in_threads += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, function)
        finally:
            self._in_threads -= 1

    def _answer(self, requests: Sequence[list[BlockGroup]]) -> list[PredictionResponse]:
        model = self._model()
        places = [place for request in requests for place in request]
        raw = to_matrix(places)
        prediction = model.bundle.predict_matrix(raw)
        ids = [f"{self._prefix}-{next(self._numbers):x}" for _ in places]
        level = model.bundle.manifest.interval.level
        priced = [
            PredictedPrice(name, price, PredictionInterval(lower, upper, level), warnings)
            for name, price, lower, upper, warnings in zip(
                ids,
                *(column.tolist() for column in prediction),
                model.bundle.warnings_for(raw),
                strict=True,
            )
        ]
        self._metrics.predicted(model.version, model.channel, prediction.price.tolist())
        if self._log:
            self._log.offer(Entry.of(model.version, model.channel, ids, raw, prediction))
        ends = iter(priced)
        return [
            PredictionResponse([next(ends) for _ in request], model.version, model.channel)
            for request in requests
        ]

    def _explain(self, places: list[BlockGroup]) -> ExplanationResponse:
        model = self._model()
        raw = to_matrix(places)
        references = model.bundle.golden.raw[:_REFERENCES]
        base, contributions = explanation.explain(
            lambda rows: model.bundle.predict_matrix(rows).price, raw, references
        )
        explanations = [
            Explanation(base + sum(row), base, dict(zip(explanation.GROUPS, row, strict=True)))
            for row in contributions.tolist()
        ]
        return ExplanationResponse(explanations, model.version, model.channel)

    def _model(self) -> LoadedModel:
        model = self._store.current
        if model is None:
            raise _unavailable("No model has been loaded yet.")
        return model


def _unavailable(detail: str) -> ProblemError:
    return ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers={"Retry-After": "1"})
