"""The champion prices what the canary was asked, off the answer's path, for the watch to compare.

Of what the champion is asked both price a share once more, since few customers may have none among
them who meets the canary. After a promotion it is the one before that prices what the new champion
was asked, for the guard.

A bounded queue and one thread: what does not fit is not compared, whichever way it went.
"""

from __future__ import annotations

import math
import time
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from housing_ml.bundle.spread import spread_of
from housing_ml.rollout.counts import SLOW_SECONDS
from housing_ml.rollout.pairs import Cluster
from serve.models.pricing import Priced, price, require_prices

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from housing_ml.bundle.model import Prediction
    from housing_ml.data.contract import BlockGroup
    from serve.models.loaded_model import LoadedModel
    from serve.rollout.probation_counts import ProbationCounts

_MOST_WAITING = 256
_SECONDS = 1.0
"""A model that takes longer hangs."""


class Asked(NamedTuple):
    """Who sent a request, and whom it asks for."""

    caller: str
    key: str


class Timed(NamedTuple):
    """What a model priced, and how many seconds that took it."""

    priced: Priced
    seconds: float


class Outcome(NamedTuple):
    """What the canary made of a request, and the ids of the prices that were answered."""

    asked: Asked
    places: list[BlockGroup]
    fate: Literal["priced", "failed", "late", "not asked"]
    prediction: Prediction | None = None
    seconds: float = 0.0
    ids: Sequence[str] = ()


class _Tried(NamedTuple):
    """What a model priced, or None, and how many seconds that took it."""

    priced: Priced | None
    seconds: float


class Comparison:
    """A canary and a champion, the queue and the thread."""

    def __init__(self, canary: LoadedModel, champion: LoadedModel, counts: ProbationCounts) -> None:
        self._canary = canary
        self._champion = champion
        self._counts = counts
        self._turn = False
        self._hangs = False
        self._queue: SimpleQueue[Outcome | None] = SimpleQueue()
        Thread(target=self._work, name="comparison", daemon=True).start()

    def offer(self, outcome: Outcome) -> None:
        """Compare soon, or not at all when too much waits."""
        if self._queue.qsize() < _MOST_WAITING:
            self._queue.put(outcome)

    def close(self) -> None:
        """End after what waits."""
        self._queue.put(None)

    def _work(self) -> None:
        while outcome := self._queue.get():
            cluster = self._compared(outcome)
            if cluster.requests:
                self._counts.compared(cluster, *outcome.asked)
            del outcome  # else the idle thread would keep it

    def _compared(self, outcome: Outcome) -> Cluster:
        if outcome.fate == "not asked":
            return Cluster() if self._hangs else self._once_more(outcome)
        started = time.perf_counter()
        theirs = _prices(self._champion, outcome.places)
        was_slow = time.perf_counter() - started > SLOW_SECONDS
        if theirs is None:
            return Cluster(requests=1, spared=int(outcome.fate == "priced"))
        if outcome.prediction is None:
            is_late = outcome.fate == "late" and not was_slow
            return Cluster(requests=1, failed=int(outcome.fate == "failed"), slow=int(is_late))
        slow, quick = self._slowness(outcome.places, outcome.seconds, was_slow=was_slow)
        self._counts.remember(outcome.ids, theirs.prediction.price.tolist(), *outcome.asked)
        differences = self._differences(outcome.prediction, theirs.prediction)
        return Cluster(requests=1, slow=slow, quick=quick) + differences

    def _once_more(self, outcome: Outcome) -> Cluster:
        """Return what both make of what the champion alone was asked."""
        mine, theirs = self._in_turn(outcome.places)
        if theirs.priced is None or mine.priced is None:
            late = mine.seconds >= _SECONDS
            return Cluster(
                requests=1,
                failed=int(theirs.priced is not None and not late),
                slow=int(theirs.priced is not None and late),
                spared=int(mine.priced is not None),
            )
        is_slow, was_slow = (found.seconds > SLOW_SECONDS for found in (mine, theirs))
        prediction = mine.priced.prediction
        self._counts.remember(outcome.ids, prediction.price.tolist(), *outcome.asked)
        slowness = Cluster(
            requests=1, slow=int(is_slow and not was_slow), quick=int(was_slow and not is_slow)
        )
        return slowness + self._differences(prediction, theirs.priced.prediction)

    def _differences(self, mine: Prediction, theirs: Prediction) -> Cluster:
        ratio = np.log(mine.price / theirs.price)
        apart = np.abs(ratio - (self._canary.release.shift or 0.0))
        foreseen = _foreseen(self._canary, mine) - _foreseen(self._champion, theirs)
        return Cluster(priced=1, log_ratio=_mean(ratio), apart=_mean(apart), foreseen=foreseen)

    def _slowness(
        self, places: list[BlockGroup], seconds: float, *, was_slow: bool
    ) -> tuple[int, int]:
        """Return 1 and 0 when the canary alone is slow, 0 and 1 when the champion alone is.

        One that only had more beside it is not slow: where the two differ, both do it once more in
        this thread, and by turns the one or the other first.
        """
        is_slow = seconds > SLOW_SECONDS
        if is_slow != was_slow and not self._hangs:
            is_slow, was_slow = (found.seconds > SLOW_SECONDS for found in self._in_turn(places))
        return int(is_slow and not was_slow), int(was_slow and not is_slow)

    def _in_turn(self, places: list[BlockGroup]) -> tuple[_Tried, _Tried]:
        """Return what canary and champion do with the same rows, by turns the one first."""
        self._turn = not self._turn
        models = (self._canary, self._champion)
        first, second = (_tried(model, places) for model in models[:: 1 if self._turn else -1])
        mine, theirs = (first, second) if self._turn else (second, first)
        self._hangs = mine.seconds >= _SECONDS
        return mine, theirs


def _mean(values: NDArray[np.float64]) -> float:
    return math.fsum(values.tolist()) / len(values)


def _foreseen(model: LoadedModel, found: Prediction) -> float:
    """Return the mean error that a model foresees of its prices, relative to them."""
    spread = spread_of(found.price, found.lower, found.upper, model.bundle.manifest)
    return _mean(spread / found.price)


def _prices(model: LoadedModel, places: list[BlockGroup]) -> Priced | None:
    try:
        priced = price(model, places)
        require_prices(priced.prediction)
    except Exception:  # noqa: BLE001 - whatever it is, the champion fails these rows too
        return None
    return priced


def _tried(model: LoadedModel, places: list[BlockGroup]) -> _Tried:
    """Return what a model prices in `_SECONDS`, and how long that takes."""
    found: list[Priced | None] = []
    thread = Thread(
        target=lambda: found.append(_prices(model, places)), name="once more", daemon=True
    )
    started = time.perf_counter()
    thread.start()
    thread.join(_SECONDS)
    return _Tried(found[0] if found else None, time.perf_counter() - started)
