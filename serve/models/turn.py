"""Whose turn it is among the threads that price large requests.

NumPy lets go of Python's lock at each of its hundred steps, and two threads that step side by side
hand it to and fro at nearly every one: a tenth of the time of their requests goes there. So one has
its turn at a time, and steps aside for the trees, which take half the time and need no Python.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from threading import Lock


@contextmanager
def aside(turn: Lock) -> Iterator[None]:
    """Let another thread have the turn, which this one has, until the block ends."""
    turn.release()
    try:
        yield
    finally:
        turn.acquire()
