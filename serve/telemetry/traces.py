"""Traces across services (W3C Trace Context), and the steps of the requests that are recorded.

The trace of a caller is read from `traceparent`, goes into the log and is returned. With an OTLP
endpoint and OpenTelemetry, which is an extra, some requests are recorded; the others pay for a look
at one variable for each step.
"""

from __future__ import annotations

import re
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable

T = TypeVar("T")

_PARENT = re.compile(rb"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
"""https://www.w3.org/TR/trace-context/#traceparent-header"""

_SAMPLED = 0x01
_NOTHING = nullcontext()


class Parent(NamedTuple):
    """What a caller says of its trace."""

    trace: str
    span: str
    sampled: bool


class Recorder(Protocol):
    """Records one request, or one load of a model."""

    @property
    def traceparent(self) -> bytes:
        """Name of what is recorded, for the answer."""

    def step(self, name: str) -> AbstractContextManager[object]:
        """Record a step of it, as long as the block."""

    def answered(self, route: str, status: int) -> None:
        """End the record of a request."""


class Traces(Protocol):
    """Decides what is recorded."""

    def request(self, method: str, parent: Parent | None) -> Recorder | None:
        """Return what records a request; none when it is not to be."""

    def load(self) -> AbstractContextManager[object]:
        """Record the load of a model, as long as the block."""

    def close(self) -> None:
        """Send what is left."""


recording: ContextVar[Recorder | None] = ContextVar("recording", default=None)
"""What records the request, or the load, that is under way here."""


def step(name: str) -> AbstractContextManager[object]:
    """Record a step of what is recorded here, if anything is, as long as the block."""
    recorder = recording.get()
    return _NOTHING if recorder is None else recorder.step(name)


def recorded(name: str, work: Awaitable[T]) -> Awaitable[T]:
    """Return work that is recorded as a step, if anything is recorded here.

    Where nothing is, it costs a fifth of a block of `step`.
    """
    recorder = recording.get()
    return work if recorder is None else _recorded(recorder, name, work)


async def _recorded(recorder: Recorder, name: str, work: Awaitable[T]) -> T:
    with recorder.step(name):
        return await work


def read(header: bytes) -> Parent | None:
    """Return what a `traceparent` says; none when it is not well-formed."""
    if not _PARENT.fullmatch(header):
        return None
    _, trace, span, flags = header.decode().split("-")
    return Parent(trace, span, bool(int(flags, 16) & _SAMPLED))
