"""The answer of a route that returns a struct: its JSON, and no more than JSON needs."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec
from litestar.response import Response
from litestar.response.base import ASGIResponse

if TYPE_CHECKING:
    from litestar import Litestar, Request
    from litestar.types import Receive, Scope, Send

_JSON = (b"content-type", b"application/json")
_encode = msgspec.json.Encoder().encode


class JsonResponse(Response[Any]):
    """A struct as JSON, for routes whose answers have no cookies and no headers of their own.

    Litestar's own response merges what the app, the router and the handler may have said of
    headers, cookies, encoders and tasks: a tenth of what a small request costs.
    """

    def __init__(self, content: Any, *, status_code: int, **_: Any) -> None:
        self.content = content
        self.status_code = status_code

    def to_asgi_response(
        self,
        app: Litestar | None,  # noqa: ARG002 - Litestar's signature
        request: Request[Any, Any, Any],  # noqa: ARG002
        **_: Any,
    ) -> ASGIResponse:
        """Return what sends it."""
        return _Encoded(_encode(self.content), self.status_code or HTTPStatus.OK)


class _Encoded(ASGIResponse):
    """A body and its status."""

    def __init__(self, body: bytes, status_code: int) -> None:
        self.body = body
        self.status_code = status_code

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI
        """Send it."""
        length = b"%d" % len(self.body)
        await send(
            {
                "type": "http.response.start",
                "status": self.status_code,
                "headers": [_JSON, (b"content-length", length)],
            }
        )
        await send({"type": "http.response.body", "body": self.body, "more_body": False})
