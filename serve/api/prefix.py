"""The path below which a proxy has put the service, such as `/housing`.

A proxy strips the prefix from each path, or leaves it on: both are understood. Links and addresses
in what is answered get it back.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from litestar.types import HTTPScope, Scope

_HEADER = b"x-forwarded-prefix"
_PREFIX = re.compile(rb"((?:/[A-Za-z0-9._~-]+)+)/?")
_LINK = b'="/'


def find(scope: HTTPScope, root_path: str) -> None:
    """Note the prefix of a request, and take it off the path where it still stands.

    Args:
        scope: the request's, whose path may change.
        root_path: the prefix unless a named proxy tells another.
    """
    found = _told(scope) or root_path
    scope["state"]["prefix"] = found
    path = scope["path"]
    if found and (path == found or path.startswith(found + "/")):
        scope["path"] = path[len(found) :] or "/"
        scope["raw_path"] = scope["raw_path"][len(found) :] or b"/"


def of(scope: Scope) -> str:
    """Return the prefix of a request; empty when there is none."""
    return str(scope["state"].get("prefix", ""))


def page(file: Path, scope: Scope) -> bytes:
    """Return an HTML page whose links lead to where the client found the service."""
    return file.read_bytes().replace(_LINK, b'="%s/' % of(scope).encode())


def _told(scope: HTTPScope) -> str:
    if not scope["state"].get("by_proxy"):
        return ""
    for name, value in scope["headers"]:
        if name == _HEADER and (match := _PREFIX.fullmatch(value)):
            return match[1].decode()
    return ""
