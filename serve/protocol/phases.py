"""What a connection waits for, when it may read, and how it ends."""

from __future__ import annotations

import select
from enum import Enum, auto
from typing import TYPE_CHECKING

from uvicorn.protocols.http.flow_control import FlowControl

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable


_GO_ON = b"HTTP/1.1 100 Continue\r\n\r\n"
"""It comes before an answer, and its client waits for it."""


class Phase(Enum):
    """Who is waited for, and what for."""

    HEAD = auto()
    BODY = auto()
    ANSWERING = auto()
    IDLE = auto()
    ENDING = auto()


class Flow(FlowControl):
    """Reading stays paused while `held`, whoever asks for more."""

    held = False

    def resume_reading(self) -> None:
        """Read on, unless held."""
        if not self.held:
            super().resume_reading()


class Answering:
    """A transport for answers, one after the other: it sends a head with the body that follows.

    Each write is a system call, and those are a good part of what a small answer costs. It ends by
    `finish`: closed at once, with something still unread, it would be reset, and the answer might
    be lost.
    """

    def __init__(self, transport: asyncio.Transport, finish: Callable[[], None]) -> None:
        self.is_closing = transport.is_closing
        self._transport = transport
        self._finish = finish
        self._head = b""
        self._begun = False

    def write(self, data: bytes) -> None:
        """Send a part of an answer; the first one is its head, and waits for the next."""
        if self._head:
            self._transport.writelines([self._head, data])
            self._head = b""
        elif self._begun or data == _GO_ON:
            self._transport.write(data)
        else:
            self._begun, self._head = True, data

    def complete(self) -> None:
        """Send what is left of an answer; the next part begins another one."""
        if self._head:
            self._transport.write(self._head)
            self._head = b""
        self._begun = False

    def close(self) -> None:
        """End the connection after what was answered."""
        self.complete()
        self._finish()


def has_sent(transport: asyncio.Transport) -> bool:
    """Whether something of the client waits in the kernel."""
    poll = select.poll()
    poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
    return bool(poll.poll(0))
