"""Load at a fixed rate, whatever the server does: a request is late from when it was due.

A closed loop waits for a slow server and hides what callers who do not wait would see.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from contextlib import suppress

from benchmarks.load import LoadResult, content_length

_CONNECTIONS = 64


class _Connection(asyncio.Protocol):
    """Sends what is due as soon as its last answer is there."""

    def __init__(self, pool: _Pool) -> None:
        self.pool = pool
        self.buffer = b""
        self.due = 0.0
        self.asked = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]
        self.pool.idle.append(self)

    def ask(self, due: float) -> None:
        self.due, self.asked = due, True
        self.transport.write(self.pool.request)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head = self.buffer.find(b"\r\n\r\n")
        if head < 0 or len(self.buffer) < head + 4 + content_length(self.buffer[:head]):
            return
        status, self.buffer = int(self.buffer[9:12]), b""
        self.pool.answered(self, status)

    def connection_lost(self, _: Exception | None) -> None:
        self.pool.result.broken_connections += self.asked
        self.pool.idle = [one for one in self.pool.idle if one is not self]


class _Pool:
    def __init__(self, request: bytes, total: int) -> None:
        self.request = request
        self.total = total
        self.done = asyncio.Event()
        self.result = LoadResult()
        self.idle: list[_Connection] = []
        self.waiting: deque[float] = deque()

    def ask(self, due: float) -> None:
        if self.idle:
            self.idle.pop().ask(due)
        else:
            self.waiting.append(due)

    def answered(self, connection: _Connection, status: int) -> None:
        self.result.latencies.append(time.perf_counter() - connection.due)
        self.result.statuses[status] += 1
        connection.asked = False
        if len(self.result.latencies) == self.total:
            self.done.set()
        if self.waiting:
            connection.ask(self.waiting.popleft())
        else:
            self.idle.append(connection)


async def run(host: str, port: int, request: bytes, rate: float, seconds: float) -> LoadResult:
    """Send `request` at `rate` a second for `seconds`; return the latencies since each was due.

    What is unanswered a second after the end counts as a broken connection.
    """
    total = int(rate * seconds)
    loop, pool = asyncio.get_running_loop(), _Pool(request, total)
    for _ in range(_CONNECTIONS):
        await loop.create_connection(lambda: _Connection(pool), host, port)
    started, asked = time.perf_counter(), 0
    while asked < total:
        due = min(total, int((time.perf_counter() - started) * rate) + 1)
        for number in range(asked, due):
            pool.ask(started + number / rate)
        asked = due
        await asyncio.sleep(0.0005)
    with suppress(TimeoutError):
        await asyncio.wait_for(pool.done.wait(), 1.0)
    result = pool.result
    result.seconds = time.perf_counter() - started
    result.broken_connections += total - len(result.latencies)
    for connection in pool.idle:
        connection.transport.close()
    return result
