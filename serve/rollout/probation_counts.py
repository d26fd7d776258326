"""What this worker saw of a canary and of the champion beside it, for the watch to decide on."""

from __future__ import annotations

import math
import os
import secrets
import socket
import threading
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

import structlog

from housing_ml.rollout.counts import SLOW_SECONDS, Arm, Moments, Observation
from housing_ml.rollout.observations import report
from housing_ml.rollout.pairs import Cluster, Pairs, bucket

if TYPE_CHECKING:
    from collections.abc import Iterable

    from housing_ml.feedback.actual_prices import Feedback
    from housing_ml.storage.versioned import ReleaseStorage
    from serve.schemas import PredictionResponse

REPORT_SECONDS = 2.0
"""Pause between two reports: a bucket takes one write a second of an object."""

_REMEMBERED = 20_000
"""Latest predictions whose price may come while the probation runs."""

Side: TypeAlias = Literal["canary", "champion"]

logger = structlog.get_logger(__name__)


class _Pair(NamedTuple):
    price: float
    caller: str
    key: str


class ProbationCounts:
    """Counts on the event loop's thread; a thread of its own reports them while they grow."""

    def __init__(self, storage: ReleaseStorage, probation: str) -> None:
        self._storage = storage
        self._probation = probation
        self._worker = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self._arms = Observation()
        self._clusters: dict[tuple[str, str], Cluster] = {}
        self._priced: dict[str, tuple[Side, float]] = {}
        self._pairs: dict[str, _Pair] = {}
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._report, name="probation-counts", daemon=True)
        self._thread.start()

    def answered(self, side: Side, seconds: float, answer: PredictionResponse) -> None:
        """Count one answer; its price is the geometric mean of those in it."""
        prices = [found.predicted_price for found in answer.predictions]
        mean = math.fsum(map(math.log, prices)) / len(prices)
        self._add(
            side,
            Arm(requests=1, slow=int(seconds > SLOW_SECONDS), log_price=Moments(1, mean)),
        )
        for found in answer.predictions:
            self._priced[found.prediction_id] = (side, found.predicted_price)
        while len(self._priced) > _REMEMBERED:
            del self._priced[next(iter(self._priced))]

    def failed(self, side: Side, seconds: float) -> None:
        """Count a request that the model failed."""
        self._add(side, Arm(requests=1, errors=1, slow=int(seconds > SLOW_SECONDS)))

    def compared(self, cluster: Cluster, caller: str, key: str) -> None:
        """Count what both models made of one request; from any thread."""
        place = caller, bucket(key)
        with self._lock:
            self._clusters[place] = self._clusters.get(place, Cluster()) + cluster

    def remember(self, ids: Iterable[str], prices: Iterable[float], caller: str, key: str) -> None:
        """Note what the other model priced what the one answered; from any thread."""
        with self._lock:
            for name, price in zip(ids, prices, strict=True):
                self._pairs[name] = _Pair(price, caller, key)
            while len(self._pairs) > _REMEMBERED:
                del self._pairs[next(iter(self._pairs))]

    def learned(self, feedback: Iterable[Feedback]) -> None:
        """Count the errors of those predictions that this worker made; each once."""
        for item in feedback:
            with self._lock:
                pair = self._pairs.pop(item.prediction_id, None)
            found = self._priced.pop(item.prediction_id, None)
            if found is None:
                continue
            side, price = found
            error = _error(price, item.actual_price)
            self._add(side, Arm(feedback=Moments(1, error)))
            if pair:
                rise = error - _error(pair.price, item.actual_price)
                mine = rise if side == "canary" else -rise
                self.compared(Cluster(known=1, error=mine), pair.caller, pair.key)

    def close(self) -> None:
        """Report for the last time, and end."""
        self._stopped.set()

    @property
    def seen(self) -> Observation:
        """All that was counted until now; from any thread."""
        pairs: Pairs = {}
        with self._lock:
            for (caller, name), cluster in self._clusters.items():
                pairs.setdefault(caller, {})[name] = cluster
        return self._arms + Observation(pairs=pairs)

    @property
    def arm(self) -> Arm:
        """What the canary did until now."""
        return self._arms.canary

    def _add(self, side: Side, arm: Arm) -> None:
        self._arms += Observation(canary=arm) if side == "canary" else Observation(champion=arm)

    def _report(self) -> None:
        told, failing = Observation(), False
        while True:
            stopped = self._stopped.wait(REPORT_SECONDS)
            seen = self.seen
            if seen != told:
                try:
                    report(self._storage, self._probation, self._worker, seen)
                except Exception as error:  # noqa: BLE001 - storage may fail in any way
                    if not failing:
                        logger.warning(
                            "probation_not_reported", probation=self._probation, error=str(error)
                        )
                    failing = True
                else:
                    told, failing = seen, False
            if stopped:
                return


def _error(price: float, actual: float) -> float:
    return min(1.0, abs(price - actual) / actual)
