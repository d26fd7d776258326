"""The shadow prices what was answered already; nothing of it reaches an answer.

Requests put their rows into a bounded queue, which never waits; one thread prices them in batches.
What does not fit into the queue is dropped, what waits or takes too long comes late, and both are
counted. A shadow that hangs keeps its thread and fills its queue: from then on all is dropped.
"""

from __future__ import annotations

import time
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import structlog

from serve.models.pricing import require_prices
from serve.prediction_log.segments import Entry
from serve.schemas import Dependency

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from housing_ml.bundle.model import Prediction
    from housing_ml.data.contract import Matrix
    from serve.models.loaded_model import LoadedModel
    from serve.telemetry.metrics import Metrics

_MOST_WAITING = 10_000
"""Rows that may wait."""

_BATCH = 128
"""Rows that are priced at once; a bundle prices so many without threads of its own."""

_PARTS = 64
"""Requests whose rows are taken from the queue at once."""

_SECONDS = 1.0
_COMPLAIN_SECONDS = 10.0

logger = structlog.get_logger(__name__)


class _Answered(NamedTuple):
    """At most a batch of rows as they were answered, and when, by the monotonic clock."""

    at: float
    ids: Sequence[str]
    raw: Matrix
    price: NDArray[np.float64]


class Shadow:
    """One shadow, its queue and its thread."""

    def __init__(
        self, model: LoadedModel, log: Callable[[Entry], None] | None, metrics: Metrics
    ) -> None:
        self.model = model
        self._log = log
        self._metrics = metrics
        self._queue: SimpleQueue[_Answered | None] = SimpleQueue()
        self._waiting = 0
        self._closed = False
        self._lock = Lock()
        self._busy_since: float | None = None
        self._last_error: str | None = None
        self._silent_until = 0.0
        Thread(target=self._work, name="shadow", daemon=True).start()

    def offer(self, ids: Sequence[str], raw: Matrix, prediction: Prediction) -> None:
        """Queue rows that were answered, or count them as dropped; from any thread."""
        rows = len(ids)
        with self._lock:
            fits = self._waiting + rows <= _MOST_WAITING
            self._waiting += rows if fits else 0
        if not fits:
            self._count("dropped", rows)
            return
        now = time.monotonic()
        for start in range(0, rows, _BATCH):
            part = slice(start, start + _BATCH)
            self._queue.put(_Answered(now, ids[part], raw[part], prediction.price[part]))

    def dependency(self) -> Dependency:
        """Return how it does; degraded while it hangs, and after it failed."""
        since = self._busy_since
        busy = time.monotonic() - since if since else 0.0
        error = f"busy for {busy:.0f} s" if busy > _SECONDS else self._last_error
        detail = f"version {self.model.version} is asked too, {self._waiting} rows wait"
        return Dependency("degraded" if error else "ok", f"{detail}; {error}" if error else detail)

    def close(self) -> None:
        """Forget what waits, and end; a thread that hangs is left behind."""
        self._closed = True
        while self._take():
            pass
        self._queue.put(None)

    def _take(self) -> _Answered | None:
        try:
            return self._queue.get_nowait()
        except Empty:
            return None

    def _work(self) -> None:
        while found := self._queue.get():
            rows = [found]
            while len(rows) < _PARTS and (more := self._take()):
                rows.append(more)
            self._busy_since = time.monotonic()
            self._price_all(rows)
            self._busy_since = None
            del found, rows  # else the idle thread would keep them
            if self._closed:
                return

    def _price_all(self, parts: Sequence[_Answered]) -> None:
        size = sum(len(part.ids) for part in parts)
        in_time = [part for part in parts if time.monotonic() - part.at <= _SECONDS]
        late = size - sum(len(part.ids) for part in in_time)
        if late:
            self._count("late", late)
        if in_time:
            ids = [name for part in in_time for name in part.ids]
            raw = np.concatenate([part.raw for part in in_time])
            answered = np.concatenate([part.price for part in in_time])
            for start in range(0, len(ids), _BATCH):
                part = slice(start, start + _BATCH)
                self._price(ids[part], raw[part], answered[part])
        with self._lock:
            self._waiting -= size

    def _price(self, ids: list[str], raw: Matrix, answered: NDArray[np.float64]) -> None:
        started = time.monotonic()
        try:
            prediction = self.model.bundle.predict_matrix(raw)
            require_prices(prediction)
        except Exception as error:  # noqa: BLE001 - nobody waits for it
            self._complain(f"{type(error).__name__}: {error}")
            self._count("failed", len(ids))
            return
        seconds = time.monotonic() - started
        if seconds > _SECONDS:
            self._count("late", len(ids))
            return
        self._count("answered", len(ids))
        self._metrics.shadowed(self.model.version, seconds, prediction.price / answered)
        if self._log:
            self._log(Entry.of(self.model.version, "shadow", list(ids), raw, prediction))

    def _count(self, outcome: str, rows: int) -> None:
        self._metrics.on_probation(self.model.version, "shadow", outcome, rows)

    def _complain(self, error: str) -> None:
        self._last_error = error
        if time.monotonic() >= self._silent_until:
            self._silent_until = time.monotonic() + _COMPLAIN_SECONDS
            logger.warning("shadow_failed", version=self.model.version, error=error)
