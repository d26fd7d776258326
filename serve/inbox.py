"""Actual prices from callers: proven by their prediction ids, bounded by day, kept in few files.

What comes while a file is being written goes into the next one together, and each caller is
answered when the file with its prices is on disk: many connections make some files a second, and
not a file each.
"""

from __future__ import annotations

import asyncio
import math
import time
from typing import TYPE_CHECKING, NamedTuple

from housing_ml.feedback.actual_prices import FeedbackStore
from serve.rollout.lane import Lane

if TYPE_CHECKING:
    from collections.abc import Sequence

    from housing_ml.feedback.actual_prices import Feedback
    from housing_ml.storage.versioned import ReleaseStorage
    from serve.sources.id_keys import IdKeys

_PAUSE_SECONDS = 0.25
"""Between the ends of two writes while prices wait."""

_WRITE_SECONDS = 30.0
_MOST_WRITES = 4
"""A storage that hangs holds up so many writes, and no other work."""

_DAY_SECONDS = 86_400


class _Waiting(NamedTuple):
    sender: str
    items: Sequence[Feedback]
    kept: asyncio.Future[None]


class Inbox:
    """What one worker takes; used by its event loop alone."""

    def __init__(self, storage: ReleaseStorage, ids: IdKeys, per_day: int) -> None:
        self._store = FeedbackStore(storage)
        self._lane = Lane("feedback", _MOST_WRITES, _MOST_WRITES)
        self._ids = ids
        self._per_day = per_day
        self._day = 0
        self._taken: dict[str, int] = {}
        self._waiting: list[_Waiting] = []
        self._writer: asyncio.Task[None] | None = None

    def was_given(self, item: Feedback, sender: str) -> bool:
        """Whether the prediction is one that this deployment made for the sender."""
        return self._ids.current.was_given(item.prediction_id, sender)

    def wait_for_room(self, sender: str, amount: int, now: float | None = None) -> int:
        """Count prices of a sender; return the seconds until they may be sent, 0 when now."""
        moment = time.time() if now is None else now
        day, second = divmod(moment, _DAY_SECONDS)
        if day != self._day:
            self._day, self._taken = int(day), {}
        taken = self._taken.get(sender, 0) + amount
        if taken > self._per_day:
            return math.ceil(_DAY_SECONDS - second)
        self._taken[sender] = taken
        return 0

    async def keep(self, items: Sequence[Feedback], sender: str) -> None:
        """Return when the prices are on disk.

        Raises:
            Exception: of the storage, when it did not take them.
        """
        waiting = _Waiting(sender, items, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write())
        await waiting.kept

    async def _write(self) -> None:
        while self._waiting:
            parts, self._waiting = self._waiting, []
            await self._write_all(parts)
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _write_all(self, parts: Sequence[_Waiting]) -> None:
        error: Exception | None = None
        try:
            groups = [(part.sender, part.items) for part in parts]
            await self._lane.call(lambda: self._store.add_all(groups), _WRITE_SECONDS)
        except Exception as failure:  # noqa: BLE001 - each storage has errors of its own
            error = failure
        for part in parts:
            if part.kept.done():
                continue
            if error is None:
                part.kept.set_result(None)
            else:
                part.kept.set_exception(error)
