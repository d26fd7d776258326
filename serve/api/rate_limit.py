"""A rate limit per caller that all workers of a machine share.

The generic cell rate algorithm (ITU-T I.371) keeps one number per caller: the time when all that
was asked so far would be over at the sustained rate. The numbers lie in a file that the workers map
into memory, so that a look costs a microsecond and no memory grows with the number of callers.
Workers do not lock: two that write at once let one request too many through. The file is allocated
before it is mapped, since a write to a page without a place on the disk kills the process; where
that fails, each worker counts for itself and tries again.
"""

from __future__ import annotations

import mmap
import os
import time
import zlib
from typing import TYPE_CHECKING

import structlog

from serve.schemas import Dependency

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_SLOTS = 4096
_RETRY_SECONDS = 5.0

logger = structlog.get_logger(__name__)


class RateLimit:
    """At most `rate` requests a second for each caller, after a burst of one second's worth.

    Args:
        rate: requests a second.
        file: where the workers share their numbers.
        known: callers that have a slot of their own, the same for all workers.
    """

    def __init__(self, rate: float, file: Path, known: Iterable[str] = ()) -> None:
        self._interval = 1.0 / rate
        self._burst = max(1.0, self._interval)
        self._file = file
        self._known = {caller: _SLOTS + index for index, caller in enumerate(sorted(known))}
        self._size = 8 * (_SLOTS + len(self._known))
        self._error: str | None = None
        self._retry_at = 0.0
        self._map = self._shared() or mmap.mmap(-1, self._size)
        self._times = memoryview(self._map).cast("d")

    def wait(self, caller: str, now: float | None = None) -> float:
        """Count one request of `caller`; return the seconds until it may ask, 0 when it may now.

        Callers that were not known before share a slot by a chance of 1 in 4,096.
        """
        moment = time.time() if now is None else now
        self._try_again()
        slot = self._known.get(caller) or zlib.crc32(caller.encode()) % _SLOTS
        ahead = self._times[slot] - moment
        if not 0.0 < ahead <= self._burst:  # over, or left by a clock that was set back
            ahead = 0.0
        ahead += self._interval
        if ahead > self._burst + 1e-9:
            return ahead - self._burst
        self._times[slot] = moment + ahead
        return 0.0

    def dependency(self) -> Dependency:
        """Return how the limit is: degraded while each worker counts for itself."""
        self._try_again()
        if self._error:
            return Dependency("degraded", f"each worker counts for itself: {self._error}")
        return Dependency("ok", "all workers count together")

    def close(self) -> None:
        """Let the file go."""
        self._times.release()
        self._map.close()

    def _try_again(self) -> None:
        if self._error and time.monotonic() >= self._retry_at and (found := self._shared()):
            self.close()
            self._map, self._times = found, memoryview(found).cast("d")
            logger.info("rate_limit_shared")

    def _shared(self) -> mmap.mmap | None:
        """Return the mapped file, all of it on the disk; None when that cannot be."""
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with self._file.open("a+b") as handle:
                os.posix_fallocate(handle.fileno(), 0, self._size)
                found = mmap.mmap(handle.fileno(), self._size)
        except OSError as error:
            if self._error is None:
                logger.error("rate_limit_not_shared", error=str(error))  # noqa: TRY400 - once, no trace
            self._error = str(error)
            self._retry_at = time.monotonic() + _RETRY_SECONDS
            return None
        self._error = None
        return found
