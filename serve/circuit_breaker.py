"""A circuit breaker: after repeated failures, leave a source alone for a while."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Literal, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
State = Literal["closed", "open", "half-open"]


class CircuitOpenError(RuntimeError):
    """The source failed lately and is not asked now."""


class CircuitBreaker:
    """Lets calls through until `failures` in a row failed, then one per pause.

    The pause doubles from the first to the second of `pauses`, in seconds.

    For one calling thread; other threads may read its state. An error of the kinds `alive` is
    told, but does not count: by it the source shows that it is there.

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
        pauses: tuple[float, float] = (2.0, 30.0),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.last_error: str | None = None
        self.last_seconds: float | None = None
        self._alive = alive
        self._failures = failures
        self._pauses = pauses
        self._clock = clock
        self._failed = 0
        self._open_until = 0.0

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
        if self.state == "open":
            seconds = self._open_until - self._clock()
            raise CircuitOpenError(f"{self.name} is left alone for {seconds:.1f} s more")
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

    def _fail(self, error: Exception) -> None:
        self.last_error = f"{type(error).__name__}: {error}"
        if isinstance(error, self._alive):
            self._failed = 0
            return
        self._failed += 1
        pause, longest = self._pauses
        doublings = min(max(0, self._failed - self._failures), 16)
        self._open_until = self._clock() + min(longest, pause * 2**doublings)
