"""What every answer gets, whatever route or error made it: an id, headers, a measure, a log line.

One layer around the whole app, since it also covers what no middleware sees (unknown paths), and
since a layer for each of these costs 20 to 70 microseconds a request.
"""

from __future__ import annotations

import itertools
import re
import secrets
import time
from typing import TYPE_CHECKING, cast

import structlog

from serve.api import prefix
from serve.api.problems import request_names
from serve.telemetry import traces

if TYPE_CHECKING:
    from collections.abc import Iterable

    from litestar.types import ASGIApp, HTTPScope, Message, Receive, Send

    from serve.api.traffic import Traffic
    from serve.settings import Settings
    from serve.telemetry.metrics import Metrics
    from serve.telemetry.traces import Traces

_CLIENT_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_TOLD = frozenset({b"x-request-id", b"traceparent"})
_SLOW_SECONDS = 0.25
_API = "/api/"
_HEADERS = [
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'self'; frame-ancestors 'none'; base-uri 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
]
_TRANSPORT_SECURITY = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")

logger = structlog.get_logger(__name__)


class Edge:
    """Handles one exchange around `app`."""

    def __init__(
        self,
        app: ASGIApp,
        metrics: Metrics,
        traffic: Traffic,
        settings: Settings,
    ) -> None:
        self._app = app
        self._traffic = traffic
        self.spans: Traces | None = None
        production = settings.environment == "production"
        self._metrics = metrics
        self._root_path = settings.root_path
        self._behind_proxy = bool(settings.trusted_proxies or settings.root_path)
        self._headers = [*_HEADERS, _TRANSPORT_SECURITY] if production else _HEADERS
        self._log_all = settings.log_level == "debug"
        self._prefix = secrets.token_hex(6)
        self._numbers = itertools.count()

    async def __call__(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        """Answer one request; its id is `scope["state"]["request_id"]`."""
        started = time.perf_counter()
        if scope["method"] == "HEAD":
            # routes answer it as they answer GET, and the server, which has its own scope, leaves
            # the body out
            scope = cast("HTTPScope", {**scope, "method": "GET"})
        client_id, traceparent = _told(scope["headers"])
        request_id = client_id or self._new_id()
        scope["state"]["request_id"] = request_id.decode()
        parent = traces.read(traceparent) if traceparent else None
        if parent:
            scope["state"]["trace_id"] = parent.trace
        recorder = self.spans.request(scope["method"], parent) if self.spans else None
        if recorder:
            traceparent = recorder.traceparent
            scope["state"]["trace_id"] = traceparent[3:35].decode()
            traces.recording.set(recorder)  # of this request's task alone
        if self._behind_proxy:
            prefix.find(scope, self._root_path)
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                own = [*self._headers, (b"x-request-id", request_id)]
                if parent or recorder:
                    own.append((b"traceparent", traceparent or b""))
                message["headers"] = [*message["headers"], *own]
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        finally:
            since = scope["state"].get("complete_at", started)  # waits for a client are its own
            self._record(scope, status, time.perf_counter() - since)
            if recorder:
                recorder.answered(scope.get("path_template", "unmatched"), status)

    def _new_id(self) -> bytes:
        """Return a process's random prefix and a number: unique, and no system call."""
        return f"{self._prefix}{next(self._numbers):08x}".encode()

    def _record(self, scope: HTTPScope, status: int, seconds: float) -> None:
        route = scope.get("path_template", "unmatched")
        self._metrics.answered(route, status, seconds)
        if route.startswith(_API):
            self._traffic.answered(status, seconds)
        if status >= 500 or seconds > _SLOW_SECONDS:
            log = logger.warning
        elif status >= 400:
            log = logger.info
        elif self._log_all:
            log = logger.debug
        else:
            return
        log(
            "request",
            **request_names(scope),
            method=scope["method"],
            route=route,
            status=status,
            milliseconds=round(1000 * seconds, 2),
        )


def _told(headers: Iterable[tuple[bytes, bytes]]) -> tuple[bytes | None, bytes | None]:
    """Return the client's id of the request, and its `traceparent`."""
    request_id = traceparent = None
    for name, value in headers:
        if name in _TOLD:
            if name == b"traceparent":
                traceparent = value
            elif _CLIENT_ID.fullmatch(value):
                request_id = value
    return request_id, traceparent
