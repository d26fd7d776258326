"""One wait for what another thread or process does: as long as it takes, within reason."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from housing_ml.storage.file_lock import lock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PATIENCE_SECONDS = 300.0
"""Long enough for the slowest machine: a wait that ends in time costs only what it took."""


def until(true: Callable[[], object], seconds: float = PATIENCE_SECONDS) -> None:
    """Return as soon as `true` holds; what is not there yet (KeyError) does not.

    Raises:
        AssertionError: when it does not within `seconds`.
    """
    give_up = time.monotonic() + seconds
    while not _holds(true):
        assert time.monotonic() < give_up, f"it did not happen in {seconds} seconds"
        time.sleep(0.05)


def _holds(true: Callable[[], object]) -> bool:
    try:
        return bool(true())
    except KeyError:
        return False


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Wait until no other process is in a block of this file."""
    with path.open("w") as held:
        lock(held.fileno())
        yield
