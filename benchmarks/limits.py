"""What a server does with clients that take without giving: how much head, how long, how many."""

from __future__ import annotations

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from typing import NamedTuple

_PATIENCE_SECONDS = 15.0
"""The service's own limits are 10 seconds."""

_HEAD_BYTES = 2**21
_MANY = 700
_LINE = b"GET /health/live HTTP/1.1\r\nHost: x\r\n"
_BODY = (
    b"POST /api/v1/predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    b"Content-Length: 100\r\n\r\n"
)


class Limits(NamedTuple):
    """What was seen of one server."""

    head_bytes: int | None
    """Bytes of a head after which the connection ended; none when 2 MB were taken."""
    head_seconds: float | None
    """Seconds after which an unfinished head was given up; none when not within 15."""
    body_seconds: float | None
    """The same of a body that was promised and does not come."""
    connections_of_peer: int | None
    """Connections that one address could hold; none when it could hold 700."""


def probe(port: int) -> Limits:
    """Return the limits of the server at a port of this machine."""
    with ThreadPoolExecutor(3) as pool:
        head_bytes = pool.submit(_head_bytes, port)
        head = pool.submit(_seconds_to_end, port, _LINE)
        body = pool.submit(_seconds_to_end, port, _BODY)
        found = head_bytes.result(), head.result(), body.result()
    return Limits(*found, _connections(port))


def _head_bytes(port: int) -> int | None:
    line = b"X-Line: " + b"x" * 1014 + b"\r\n"
    sent = len(_LINE)
    with _connect(port) as client, suppress(OSError):
        client.sendall(_LINE)
        while sent < _HEAD_BYTES:
            client.sendall(line)
            sent += len(line)
            if _has_ended(client):
                return sent
        client.settimeout(1.0)
        return None if _waits(client) else sent
    return sent


def _waits(client: socket.socket) -> bool:
    try:
        client.recv(1)
    except TimeoutError:
        return True
    return False


def _has_ended(client: socket.socket) -> bool:
    client.setblocking(False)  # noqa: FBT003 - the standard library's
    try:
        client.recv(65_536)
    except BlockingIOError:
        return False
    finally:
        client.settimeout(5.0)
    return True


def _seconds_to_end(port: int, sent: bytes) -> float | None:
    started = time.monotonic()
    with _connect(port) as client:
        client.sendall(sent)
        client.settimeout(_PATIENCE_SECONDS)
        with suppress(ConnectionError):
            try:
                client.recv(65_536)
            except TimeoutError:
                return None
    return time.monotonic() - started


def _connections(port: int) -> int | None:
    with ExitStack() as stack:
        clients = [stack.enter_context(_connect(port)) for _ in range(_MANY)]
        time.sleep(1.0)
        held = sum(not _is_gone(client) for client in clients)
    return None if held == _MANY else held


def _is_gone(client: socket.socket) -> bool:
    try:
        return _has_ended(client)
    except OSError:
        return True


def _connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=5.0)
