"""What a connection waits for, when it may read, and how it ends."""

from __future__ import annotations

import select
from enum import Enum, auto
from typing import TYPE_CHECKING

from uvicorn.protocols.http.flow_control import FlowControl

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable


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


class Closing:
    """A transport that ends after an answer by `finish`.

    Closed at once, with something still unread, it would be reset, and the answer might be lost.
    """

    def __init__(self, transport: asyncio.Transport, finish: Callable[[], None]) -> None:
        self.write = transport.write
        self.is_closing = transport.is_closing
        self.close = finish


def has_sent(transport: asyncio.Transport) -> bool:
    """Whether something of the client waits in the kernel."""
    poll = select.poll()
    poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
    return bool(poll.poll(0))
