"""A small HTTP/1.1 load generator: keep-alive connections that each send one request at a time.

Only what a benchmark of a JSON service needs: responses with a Content-Length, no redirects.

    >>> import asyncio
    result = asyncio.run(run("127.0.0.1", 8000, post("/echo", b"{}"), 16, 5.0))
    result.requests_per_second
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field


@dataclass
class LoadResult:
    """Latencies in seconds of all answered requests, and their statuses."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    broken_connections: int = 0

    @property
    def requests_per_second(self) -> float:
        """Answered requests per second of wall time."""
        return len(self.latencies) / self.seconds

    @property
    def errors(self) -> int:
        """Answers other than 2xx, and connections that broke."""
        failed = sum(count for status, count in self.statuses.items() if not 200 <= status < 300)
        return failed + self.broken_connections

    def percentile(self, share: float) -> float:
        """Return the latency in milliseconds that `share` (0 to 1) of the requests stay within."""
        ordered = sorted(self.latencies)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def post(path: str, body: bytes, content_type: str = "application/json") -> bytes:
    """Return the bytes of one POST request."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: benchmark\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class _Connection(asyncio.Protocol):
    """Sends a request, reads its answer, sends the next, until the deadline."""

    def __init__(self, request: bytes, deadline: float, result: LoadResult) -> None:
        self.request = request
        self.deadline = deadline
        self.result = result
        self.buffer = b""
        self.sent = 0.0
        self.closing = False
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._send()

    def data_received(self, data: bytes) -> None:
        self.buffer = self.buffer + data if self.buffer else data
        head = self.buffer.find(b"\r\n\r\n")
        if head < 0 or len(self.buffer) < head + 4 + content_length(self.buffer[:head]):
            return
        now = time.perf_counter()
        self.result.latencies.append(now - self.sent)
        self.result.statuses[int(self.buffer[9:12])] += 1
        self.buffer = b""
        if now < self.deadline:
            self._send()
        else:
            self.closing = True
            self.transport.close()

    def connection_lost(self, _: Exception | None) -> None:
        self.result.broken_connections += not self.closing
        if not self.done.done():
            self.done.set_result(None)

    def _send(self) -> None:
        self.sent = time.perf_counter()
        self.transport.write(self.request)


def content_length(head: bytes) -> int:
    """Return how many bytes follow a head that says so."""
    name = b"content-length:"
    start = head.lower().index(name) + len(name)
    end = head.find(b"\r\n", start)
    return int(head[start : end if end >= 0 else None])


async def run(host: str, port: int, request: bytes, connections: int, seconds: float) -> LoadResult:
    """Send `request` over and over on each connection for `seconds`; return what came back."""
    loop = asyncio.get_running_loop()
    result = LoadResult()
    started = time.perf_counter()
    protocols = [
        (
            await loop.create_connection(
                lambda: _Connection(request, started + seconds, result), host, port
            )
        )[1]
        for _ in range(connections)
    ]
    await asyncio.gather(*(protocol.done for protocol in protocols))
    result.seconds = time.perf_counter() - started
    return result
