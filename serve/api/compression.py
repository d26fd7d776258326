"""Answers that are made once and asked for often, compressed for those who take it."""

from __future__ import annotations

import gzip
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from litestar import MediaType, Response

if TYPE_CHECKING:
    from litestar import Request

_WORTH_BYTES = 1000

_gzipped = lru_cache(maxsize=64)(lambda content: gzip.compress(content, mtime=0))


def compressed(request: Request[Any, Any, Any], content: bytes, media_type: str) -> Response[bytes]:
    """Return the content, as gzip where the client takes that and it is worth it."""
    headers = {"Vary": "Accept-Encoding"}
    if len(content) > _WORTH_BYTES and "gzip" in request.headers.get("accept-encoding", ""):
        content, headers["Content-Encoding"] = _gzipped(content), "gzip"
    return Response(content, media_type=media_type, headers=headers)


def as_json(request: Request[Any, Any, Any], content: bytes) -> Response[bytes]:
    """Return a JSON document; see `compressed`."""
    return compressed(request, content, MediaType.JSON)
