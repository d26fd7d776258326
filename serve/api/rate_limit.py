"""A rate limit per caller that all workers of a machine share.

The generic cell rate algorithm (ITU-T I.371) keeps one number per caller: the time when all that
was asked so far would be over at the sustained rate. The numbers lie in a file that the workers map
into memory, so that a look costs a microsecond and no memory grows with the number of callers.
Workers do not lock: two that write at once let one request too many through.
"""

from __future__ import annotations

import mmap
import time
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_SLOTS = 4096


class RateLimit:
    """At most `rate` requests a second for each caller, after a burst of one second's worth."""

    def __init__(self, rate: float, file: Path) -> None:
        self._interval = 1.0 / rate
        self._burst = max(1.0, self._interval)
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a+b") as handle:
            handle.truncate(_SLOTS * 8)
            self._map = mmap.mmap(handle.fileno(), _SLOTS * 8)
        self._times = memoryview(self._map).cast("d")

    def wait(self, caller: str, now: float | None = None) -> float:
        """Count one request of `caller`; return the seconds until it may ask, 0 when it may now.

        Two callers share a slot by a chance of 1 in 4,096.
        """
        moment = time.time() if now is None else now
        slot = zlib.crc32(caller.encode()) % _SLOTS
        ahead = self._times[slot] - moment
        if not 0.0 < ahead <= self._burst:  # over, or left by a clock that was set back
            ahead = 0.0
        ahead += self._interval
        if ahead > self._burst + 1e-9:
            return ahead - self._burst
        self._times[slot] = moment + ahead
        return 0.0

    def close(self) -> None:
        """Let the file go."""
        self._times.release()
        self._map.close()
