"""All connections of a worker: how many there may be, and which have kept us waiting too long.

A look at all of them four times a second takes the place of a timer for each request.
"""

from __future__ import annotations

import asyncio
import resource
from collections import Counter
from contextlib import asynccontextmanager, suppress
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from serve.protocol.figures import ConnectionFigures
    from serve.settings import Settings

_LOOK_SECONDS = 0.25
_OWN_FILES = 64
"""Descriptors that are kept for the log, the release storage and the models."""


class Client(Protocol):
    """What is asked of one connection."""

    peer: str
    since: float
    """Time of the loop since when it is as it is."""

    def is_waiting(self) -> bool:
        """Tell whether it waits for its client, and nothing of it is under way."""

    def look(self, now: float) -> None:
        """End the connection when its time is over."""

    def end(self, reason: str) -> None:
        """End it at once, without an answer."""


class Connections:
    """Counts connections, makes room for new ones, and looks after those that wait."""

    def __init__(self, settings: Settings, figures: ConnectionFigures) -> None:
        self.client_seconds = settings.client_seconds
        self.idle_seconds = settings.idle_seconds
        self.figures = figures
        self.draining = False
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.most = min(settings.connections, max(2, files - _OWN_FILES))
        self.most_of_peer = min(settings.connections_per_peer, max(1, self.most // 2))
        self._proxies = [ip_network(name, strict=False) for name in settings.trusted_proxies]
        self._open: dict[Client, None] = {}
        self._of_peer: Counter[str] = Counter()

    def admit(self, client: Client) -> bool:
        """Count a new connection, if there is room, or a waiting one can be ended to make some."""
        if self._of_peer[client.peer] >= self.most_of_peer and not self.is_proxy(client.peer):
            room = self._end_longest_waiting("too_many_of_peer", client.peer)
        else:
            room = len(self._open) < self.most or self._end_longest_waiting("too_many")
        if room:
            self._open[client] = None
            self._of_peer[client.peer] += 1
            self.figures.open.set(len(self._open))
        else:
            self.figures.ended.labels("refused").inc()
        return room

    def forget(self, client: Client) -> None:
        """Count a connection that is gone; once or more often."""
        if client not in self._open:
            return
        del self._open[client]
        self._of_peer[client.peer] -= 1
        if not self._of_peer[client.peer]:
            del self._of_peer[client.peer]
        self.figures.open.set(len(self._open))

    def is_proxy(self, peer: str) -> bool:
        """Whether the address is that of a named proxy."""
        return any(ip_address(peer) in network for network in self._proxies)

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Look after the connections until the block ends."""
        task = asyncio.create_task(self._watch())
        yield
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            now = loop.time()
            for client in list(self._open):
                client.look(now)

    def _end_longest_waiting(self, reason: str, peer: str | None = None) -> bool:
        waiting = [
            client
            for client in self._open
            if client.is_waiting() and (peer is None or client.peer == peer)
        ]
        if not waiting:
            return False
        longest = min(waiting, key=lambda client: client.since)
        longest.end(reason)
        self.forget(longest)
        return True
