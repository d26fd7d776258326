"""Threads of their own for calls that may hang: a caller waits only so long, and nobody at the end.

An executor's threads are joined when the process ends, so one call that hangs would keep it.
"""

from __future__ import annotations

import asyncio
import time
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class LaneFullError(RuntimeError):
    """Too many calls wait already."""


class _Call(NamedTuple):
    function: Callable[[], Any]
    loop: asyncio.AbstractEventLoop
    outcome: asyncio.Future[Any]


class Lane:
    """Runs the calls of one event loop in `threads` threads; at most `most` are open at a time."""

    def __init__(self, name: str, threads: int, most: int) -> None:
        self._most = most
        self._open = 0
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._busy_since: list[float | None] = [None] * threads
        self._threads = [
            Thread(target=self._work, args=(number,), name=name, daemon=True)
            for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    async def call(self, function: Callable[[], T], seconds: float) -> T:
        """Return what `function` returns within `seconds`, the wait for a thread included.

        Raises:
            LaneFullError: when too many calls are open; one that hangs stays open.
            TimeoutError: when it takes longer.
        """
        if self._open >= self._most:
            raise LaneFullError(f"{self._most} calls are open already")
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[T] = loop.create_future()
        self._open += 1
        self._calls.put(_Call(function, loop, outcome))
        return await asyncio.wait_for(outcome, seconds)

    def is_stuck(self, seconds: float) -> bool:
        """Whether every thread has been busy with one call for so long."""
        now = time.monotonic()
        return all(since is not None and now - since > seconds for since in self._busy_since)

    def close(self) -> None:
        """Let the threads end after the calls that wait; one that hangs is left behind."""
        for _ in self._threads:
            self._calls.put(None)

    def _work(self, number: int) -> None:
        while call := self._calls.get():
            if call.outcome.cancelled():
                result, error = None, None
            else:
                self._busy_since[number] = time.monotonic()
                result, error = _run(call.function)
                self._busy_since[number] = None
            try:
                call.loop.call_soon_threadsafe(self._finish, call.outcome, result, error)
            except RuntimeError:
                return  # the loop is closed: the process ends
            del call, result, error  # else the idle thread would keep them

    def _finish(
        self, outcome: asyncio.Future[Any], result: object, error: BaseException | None
    ) -> None:
        self._open -= 1
        if outcome.done():
            return
        if error is None:
            outcome.set_result(result)
        else:
            outcome.set_exception(error)


def _run(function: Callable[[], Any]) -> tuple[Any, Exception | None]:
    try:
        return function(), None
    except Exception as error:  # noqa: BLE001 - the caller raises it
        return None, error
