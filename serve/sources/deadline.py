"""Giving up on a call that hangs, such as a read from a file server that is gone."""

from __future__ import annotations

from concurrent.futures import Future
from threading import Thread
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Deadline:
    """Runs each call in a thread that can be left behind; at most one is.

    >>> Deadline().call(lambda: 42, seconds=1.0)
    42
    """

    def __init__(self) -> None:
        self._left_behind: Thread | None = None

    def call(self, function: Callable[[], T], seconds: float) -> T:
        """Return what `function` returns within `seconds`.

        Raises:
            TimeoutError: when it takes longer, or an earlier call has not come back yet.
        """
        if self._left_behind and self._left_behind.is_alive():
            raise TimeoutError("an earlier call still hangs")
        outcome: Future[T] = Future()
        thread = Thread(target=_run, args=(function, outcome), name="deadline", daemon=True)
        thread.start()
        try:
            return outcome.result(seconds)
        except TimeoutError:
            if outcome.done():
                raise
            self._left_behind = thread
            raise TimeoutError(f"no answer within {seconds:.0f} seconds") from None


def _run(function: Callable[[], T], outcome: Future[T]) -> None:
    try:
        outcome.set_result(function())
    except Exception as error:  # noqa: BLE001 - the caller raises it
        outcome.set_exception(error)
