"""Stopping: what was accepted is answered, and whoever comes later is refused by the kernel.

A listening socket that closes resets the connections which nobody has accepted yet. So it is shut
to new ones first: Linux drops each first packet by a filter, the handshakes that have begun come to
their end and are accepted, and only then it closes. Several workers share one socket, so that their
supervisor shuts it; a worker that stops alone leaves it to the others.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import socket
import struct
from functools import cached_property
from typing import TYPE_CHECKING

import structlog
import uvicorn
from uvicorn.supervisors import multiprocess

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import FrameType

_ACCEPT_SECONDS = 1.0
"""A handshake that has begun is over after this time."""

_ATTACH_FILTER = 26  # SO_ATTACH_FILTER of <asm-generic/socket.h>; Python has no name for it
_ONLY_BEGUN = (
    (0x30, 0, 0, 13),  # load the byte of flags of the TCP header
    (0x45, 0, 1, 0x02),  # is it SYN, the first packet of a connection?
    (0x06, 0, 0, 0),  # then drop it
    (0x06, 0, 0, 0xFFFF),  # else keep it
)
"""A program for the kernel's packet filter, `struct sock_filter` of <linux/filter.h>."""

logger = structlog.get_logger(__name__)


def shut(listeners: Iterable[int]) -> None:
    """Let no new connection begin at these sockets; clients try again, and are refused later."""
    program = b"".join(struct.pack("HBBI", *step) for step in _ONLY_BEGUN)
    memory = ctypes.create_string_buffer(program)
    option = struct.pack("HL", len(_ONLY_BEGUN), ctypes.addressof(memory))
    for listener in listeners:
        try:
            with socket.socket(fileno=os.dup(listener)) as own:
                own.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, option)
        except OSError as error:  # no Linux, or a sandbox without the packet filter
            logger.warning("socket_not_shut", error=str(error))


class Server(uvicorn.Server):
    """A server that goes on to accept for a moment while it stops."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Tell connections that the service stops, and answer what has been accepted."""
        self.lifespan.state["connections"].draining = True
        for connection in list(self.server_state.connections):
            connection.shutdown()
        if sockets is None:
            shut(own.fileno() for server in self.servers for own in server.sockets)
        await asyncio.sleep(_ACCEPT_SECONDS)
        await super().shutdown(sockets)


class _Worker(multiprocess.Process):
    @cached_property
    def server(self) -> uvicorn.Server:
        return Server(self.config)


class Supervisor(multiprocess.Multiprocess):
    """Several workers of one socket, which is shut at once when the service is to stop."""

    def __init__(self, config: uvicorn.Config, sockets: list[socket.socket]) -> None:
        super().__init__(config, sockets)
        # it is made in four places there
        multiprocess.Process = _Worker  # type: ignore[misc]
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)

    def _stop(self, number: int, _: FrameType | None) -> None:
        shut(own.fileno() for own in self.sockets)
        self.signal_queue.append(number)
