"""One HTTP connection: uvicorn's protocol with limits, in bytes and time, for what a client does.

uvicorn waits for the rest of a head without an end, in time and in memory, and keeps no count of
requests that were sent ahead of their answers. Here every wait for a client has an end:

    phase        what is awaited                          its end
    HEAD         the first byte, the rest of a head       408 or silence after `client_seconds`
    BODY         the rest of a body                       the app's 408; then the connection closes
    ANSWERING    our own answer                           none: that is for the app
    IDLE         another request                          closed after `idle_seconds`
    ENDING       the client to see that we are done       cut off
"""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from serve.protocol.phases import Answering, Flow, Phase, has_sent
from serve.protocol.refusal import refusal

if TYPE_CHECKING:
    import asyncio

    from uvicorn import Config
    from uvicorn.server import ServerState

    from serve.protocol.connections import Connections

HEAD_BYTES = 65_536
_AHEAD = 16
"""Requests of one connection that may wait for the answer of another."""

_PIECE = 4_096
_BODY_PIECE = 65_536
_ENDING_SECONDS = 2.0
_UNREAD_SECONDS = 30.0
"""A client that takes nothing of its answer for so long has left."""

_TOO_MANY = (HTTPStatus.SERVICE_UNAVAILABLE, "Too many connections are open.")
_GRACE_SECONDS = 1.0
"""While the service stops, a connection that idles may ask once more in this time."""


class Connection(HttpToolsProtocol):
    """uvicorn's protocol for httptools, with an end for every wait and a bound for every buffer."""

    flow: Flow
    _answering: Answering

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._all: Connections = app_state["connections"]
        self.peer = ""
        self._become(Phase.HEAD)
        self._in_head = True
        self._overhead = self._piece = 0
        self._body_seen = False
        self._unread = b""
        self._stuck_since: float | None = None
        self._wished = True
        self._last_word, self._is_done = b"", False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start to read, or refuse when there are too many connections."""
        super().connection_made(transport)
        self.flow = Flow(transport)
        self._answering = Answering(transport, self._finish)
        self.peer = self.client[0] if self.client else ""
        if self._all.is_proxy(self.peer):
            self.app_state = {**self.app_state, "by_proxy": True}
        if not self._all.admit(self):
            transport.write(self._refusal(*_TOO_MANY, [(b"retry-after", b"1")]))
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._all.forget(self)
        self._unread = b""
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read what came, in pieces, as far as there are not too many requests ahead."""
        if self.phase is Phase.ENDING:
            return
        if self.phase is Phase.IDLE:
            self._become(Phase.HEAD)
        if self._unread or len(data) > _PIECE:
            self._unread += data
            self._read_on()
        else:
            self._read(data)

    def _read_on(self) -> None:
        while self._unread and len(self.pipeline) < _AHEAD and self.phase is not Phase.ENDING:
            size = _BODY_PIECE if self.phase is Phase.BODY else _PIECE
            piece, self._unread = self._unread[:size], self._unread[size:]
            self._read(piece)
        was_held, self.flow.held = self.flow.held, bool(self._unread)
        if self.flow.held:
            self.flow.pause_reading()
        elif was_held:
            self.flow.resume_reading()

    def _read(self, piece: bytes) -> None:
        self._piece = len(piece)
        self._body_seen = False
        super().data_received(piece)
        if self._in_head or (self.phase is Phase.BODY and not self._body_seen):
            self._overhead += len(piece)
            if self._overhead > HEAD_BYTES:
                self._refuse_long_head()

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._in_head = True
        self._overhead = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a line of the head; those after a body are nobody's."""
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Hand the request to the app, unless its head is too long."""
        if self.phase is Phase.ENDING:
            return
        self._in_head = False
        if self._overhead + self._piece > HEAD_BYTES and self._head_bytes() > HEAD_BYTES:
            self._refuse_long_head()
            return
        self._overhead = 0
        self._waited()
        self._become(Phase.BODY)
        before = self.cycle
        super().on_headers_complete()
        self.cycle.transport = self._answering  # type: ignore[assignment]
        if self._all.draining:
            if before and not before.response_started:
                before.keep_alive = self._wished
            self._close_after_last()

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._body_seen = True
        if self.phase is not Phase.ENDING:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Note when the request was complete: answers are timed from then on."""
        if self.phase is Phase.ENDING:
            return
        self._waited()
        self.scope["state"]["complete_at"] = time.perf_counter()
        answered = self.cycle.response_complete
        super().on_message_complete()
        self._become(Phase.IDLE if answered else Phase.ANSWERING)

    def on_response_complete(self) -> None:
        """Go on with the next request, or wait for it."""
        self._answering.complete()
        self.server_state.total_requests += 1
        if self.transport.is_closing() or self._is_done:
            self._become(Phase.ENDING)
        elif self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif self.phase is Phase.ENDING:
            self.transport.write(self._last_word)
            self._finish()
        else:
            if self.phase is Phase.ANSWERING:
                self._become(Phase.IDLE)
            self._read_on()
            self.flow.resume_reading()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP."""
        self._end_with(HTTPStatus.BAD_REQUEST, msg, "no_http")

    def shutdown(self) -> None:
        """Tell the client with the last answer that it gets that the service stops."""
        if not self._is_answered():
            self._close_after_last()
        if self.is_waiting():
            self.since = self.loop.time()

    def pause_writing(self) -> None:
        """Note since when the client does not read."""
        self._stuck_since = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        """Go on."""
        self._stuck_since = None
        super().resume_writing()

    def is_waiting(self) -> bool:
        """Tell whether it waits for its client, and nothing of it is under way."""
        return self._is_answered() and self.phase in (Phase.HEAD, Phase.IDLE)

    def look(self, now: float) -> None:
        """End the connection when its time is over."""
        waited = now - self.since
        if self._stuck_since is not None and now - self._stuck_since > _UNREAD_SECONDS:
            self.end("not_read")
        elif self.phase is Phase.ENDING:
            unsent = self.transport.get_write_buffer_size()
            if self._is_done and waited > (_UNREAD_SECONDS if unsent else _ENDING_SECONDS):
                self.transport.abort()
        elif self.phase is Phase.IDLE:
            if waited > (_GRACE_SECONDS if self._all.draining else self._all.idle_seconds):
                self._finish_unless_sent()
        elif self.phase is Phase.HEAD and self._is_answered():
            self._look_at_head(waited)
        elif self.phase is Phase.BODY and self._is_answered() and waited > self._all.client_seconds:
            self.end("body_too_slow")

    def end(self, reason: str) -> None:
        """End the connection at once, without an answer."""
        self._all.figures.ended.labels(reason).inc()
        self.transport.abort()

    def _look_at_head(self, waited: float) -> None:
        silent = not self._overhead
        if silent and self._all.draining and waited > _GRACE_SECONDS:
            self._finish_unless_sent()
        elif waited > self._all.client_seconds:
            if silent:
                self._all.figures.ended.labels("silent").inc()
                self._finish()
                return
            detail = f"The head did not arrive within {self._all.client_seconds:g} seconds."
            self._end_with(HTTPStatus.REQUEST_TIMEOUT, detail, "head_too_slow")

    def _is_answered(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _become(self, phase: Phase) -> None:
        self.phase = phase
        self.since = self.loop.time()

    def _waited(self) -> None:
        """Count the time that the client needed; the loop's clock stands still while it reads."""
        if seconds := self.loop.time() - self.since:
            self._all.figures.waits.observe(seconds)

    def _head_bytes(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _refuse_long_head(self) -> None:
        detail = f"The head must have at most {HEAD_BYTES:,} bytes."
        self._end_with(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, detail, "head_too_long")

    def _end_with(self, status: HTTPStatus, detail: str, reason: str) -> None:
        """Answer what cannot be taken, after what is under way, and read nothing more."""
        self._unread = b""
        if self.phase is Phase.BODY and not self._is_answered():
            self.end(reason)
            return
        self._all.figures.ended.labels(reason).inc()
        self._last_word = self._refusal(status, detail)
        self._become(Phase.ENDING)
        if self._is_answered():
            self.transport.write(self._last_word)
            self._finish()

    def _refusal(
        self, status: HTTPStatus, detail: str, headers: list[tuple[bytes, bytes]] | None = None
    ) -> bytes:
        return refusal(status, detail, [*self.server_state.default_headers, *(headers or ())])

    def _close_after_last(self) -> None:
        """Let the answer of the last request that came say that the connection closes."""
        self._wished = self.cycle.keep_alive
        if not self._unread:
            self.cycle.keep_alive = False

    def _finish_unless_sent(self) -> None:
        """End an idle connection; what the client sent just now is read first."""
        if not has_sent(self.transport):
            self._finish()

    def _finish(self) -> None:
        """Say that nothing more will come, and let the client read what did: a cut may lose it."""
        self._become(Phase.ENDING)
        self._is_done = True
        self._unread = b""
        self.flow.held = False
        if not self.transport.is_closing():
            self.flow.resume_reading()
            self.transport.write_eof()
