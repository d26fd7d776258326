"""Answers that are given before there is a request that the app could answer."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import msgspec

from serve.schemas import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable
    from http import HTTPStatus

MEDIA_TYPE = b"application/problem+json"


def refusal(status: HTTPStatus, detail: str, headers: Iterable[tuple[bytes, bytes]] = ()) -> bytes:
    """Return the bytes of an answer that ends its connection, as problem details (RFC 9457)."""
    request_id = secrets.token_hex(8)
    body = msgspec.json.encode(Problem(status.phrase, status, detail, request_id))
    lines = [
        b"HTTP/1.1 %d %s" % (status, status.phrase.encode()),
        *(name + b": " + value for name, value in headers),
        b"content-type: " + MEDIA_TYPE,
        b"content-length: %d" % len(body),
        b"cache-control: no-store",
        b"x-request-id: " + request_id.encode(),
        b"connection: close",
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body
