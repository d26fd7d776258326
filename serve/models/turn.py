"""Whose turn it is among the threads that price large requests.

NumPy lets go of Python's lock at each of its hundred steps, and two threads that step side by side
hand it to and fro at nearly every one: a tenth of the time of their requests goes there. So one has
its turn at a time, and steps aside for the trees, which take half the time and need no Python.
"""

from __future__ import annotations

from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType


class Turn:
    """A lock; `with turn:` holds it, and `with turn.aside():` lets go of it inside that."""

    def __init__(self) -> None:
        self._lock = Lock()

    def __enter__(self) -> None:
        """Wait for it."""
        self._lock.acquire()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._lock.release()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Let another thread have it until the block ends."""
        self._lock.release()
        try:
            yield
        finally:
            self._lock.acquire()
