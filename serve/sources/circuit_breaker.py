"""A circuit breaker: after repeated failures, leave a source alone for a while."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Literal, TypeVar

from serve.schemas import Dependency

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
State = Literal["closed", "open", "half-open"]

_PAUSES = (2.0, 30.0)
"""Seconds; the pause doubles from the first to the second."""


class CircuitOpenError(ConnectionError):
    """The source failed lately and is not asked now."""


class CircuitBreaker:
    """Lets calls through until `failures` in a row failed, then one per pause.

    Any thread may call. An error of the kinds `alive` is told, but does not count: by it the source
    shows that it is there. `observe` is told the name, whether a call failed, and the state then.

        >>> breaker = CircuitBreaker("storage", failures=1)
        >>> breaker.call(lambda: 42)
        42
        >>> breaker.state
        'closed'
    """

    def __init__(
        self,
        name: str,
        *,
        alive: tuple[type[Exception], ...] = (),
        failures: int = 3,
        observe: Callable[[str, bool, State], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.last_error: str | None = None
        self.last_seconds: float | None = None
        self._alive = alive
        self._failures = failures
        self._observe = observe
        self._clock = clock
        self._failed = 0
        self._open_until = 0.0
        self._lock = threading.Lock()

    @property
    def state(self) -> State:
        """Closed lets calls through, open does not, half-open lets one try."""
        if self._failed < self._failures:
            return "closed"
        return "open" if self._clock() < self._open_until else "half-open"

    def call(self, function: Callable[[], T]) -> T:
        """Return what `function` returns; count its failures, and time it.

        Raises:
            CircuitOpenError: when it is not to be called now.
        """
        self._admit()
        started = self._clock()
        try:
            result = function()
        except Exception as error:
            self._fail(error)
            raise
        else:
            self._failed = 0
            self.last_error = None
            return result
        finally:
            self.last_seconds = self._clock() - started
            if self._observe:
                self._observe(self.name, self.last_error is not None, self.state)

    def dependency(self) -> Dependency:
        """Return how the source was when it was last asked."""
        error, seconds = self.last_error, self.last_seconds
        return Dependency(
            "degraded" if error else "ok",
            f"circuit {self.state}" + (f": {error}" if error else ""),
            None if seconds is None else round(1000 * seconds, 3),
        )

    def _admit(self) -> None:
        with self._lock:
            state = self.state
            if state == "open":
                seconds = self._open_until - self._clock()
                raise CircuitOpenError(f"{self.name} is left alone for {seconds:.1f} s more")
            if state == "half-open":  # the others wait for what becomes of this one
                self._open_until = self._clock() + _PAUSES[0]

    def _fail(self, error: Exception) -> None:
        self.last_error = f"{type(error).__name__}: {error}"
        with self._lock:
            if isinstance(error, self._alive):
                self._failed = 0
                return
            self._failed += 1
            pause, longest = _PAUSES
            doublings = min(max(0, self._failed - self._failures), 16)
            self._open_until = self._clock() + min(longest, pause * 2**doublings)
