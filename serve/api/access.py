"""Who may use the API, and how often."""

from __future__ import annotations

import math
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from serve.api.problems import ProblemError
from serve.api.security import KEY_HEADER, ApiKeys

if TYPE_CHECKING:
    from litestar import Request
    from litestar.types import Scope

    from serve.api.rate_limit import RateLimit

ANYONE = ""
"""The caller where no keys are configured: all are one."""

_CALLER = "caller"
_KEY_HEADER = KEY_HEADER.lower().encode()


def caller(scope: Scope) -> str:
    """Return whose key an admitted request has; `ANYONE` where no keys are configured."""
    return str(scope["state"].get(_CALLER, ANYONE))


class Access:
    """Asks for a valid key where keys are configured, and for a rate within the limit.

    Litestar calls it before a handler. As a guard it would do the same, and cost 20 microseconds
    more, since Litestar copies the handler for each guarded request.
    """

    def __init__(self, keys: ApiKeys, limit: RateLimit | None) -> None:
        self._keys = keys
        self._limit = limit

    async def __call__(self, request: Request[Any, Any, Any]) -> None:
        """Let a request pass.

        Raises:
            ProblemError: 401 without a key, 403 with an unknown one, 429 when it is too soon.
        """
        sender = self.owner(request) if self._keys else ANYONE
        request.scope["state"][_CALLER] = sender
        caller = sender or _address(request)
        if self._limit and (seconds := self._limit.wait(caller)):
            raise ProblemError(
                HTTPStatus.TOO_MANY_REQUESTS,
                f"More requests than allowed; ask again in {seconds:.1f} seconds.",
                headers={"Retry-After": str(math.ceil(seconds))},
            )

    def owner(self, request: Request[Any, Any, Any]) -> str:
        """Return whose key the request has.

        Raises:
            ProblemError: 401 without a key, 403 with an unknown one.
        """
        for name, value in request.scope["headers"]:
            if name == _KEY_HEADER:
                if owner := self._keys.owner(value):
                    return owner
                raise ProblemError(HTTPStatus.FORBIDDEN, "This API key is not known.")
        raise ProblemError(
            HTTPStatus.UNAUTHORIZED,
            f"Send an API key in the header {KEY_HEADER}.",
            headers={"WWW-Authenticate": f'ApiKey header="{KEY_HEADER}"'},
        )


def _address(request: Request[Any, Any, Any]) -> str:
    client = request.scope["client"]
    return client[0] if client else ""
