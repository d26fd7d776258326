"""A place that is asked over HTTP: kept connections, time-outs, one kind of error.

Google's and MLflow's own clients take 0.6 and 3 seconds to import and 50 MB and more to hold; what
the service needs of them is a few requests.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import httpx

TIMEOUT = httpx.Timeout(4.0, connect=2.0)  # seconds: between two bytes; to connect
_SHOWN = 200
"""Characters of an answer that an error repeats."""


class UnreachableError(ConnectionError):
    """A remote place gives no answer, or one that is of no use; the message says which."""


class Remote:
    """One place, by the name that people know it by; any thread may ask."""

    def __init__(self, name: str, base_url: str, auth: httpx.Auth | None = None) -> None:
        self.name = name
        self._client = httpx.Client(
            base_url=base_url, auth=auth, timeout=TIMEOUT, follow_redirects=True
        )

    def ask(
        self, method: str, path: str, *, expect: tuple[HTTPStatus, ...] = (), **options: Any
    ) -> httpx.Response:
        """Return the answer, which is a success or one of the `expect`ed statuses.

        Raises:
            UnreachableError: when there is no such answer.
        """
        try:
            answer = self._client.request(method, path, **options)
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise UnreachableError(f"{self.name} gives no answer: {reason}") from error
        if answer.is_success or answer.status_code in expect:
            return answer
        if answer.status_code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            raise UnreachableError(
                f"{self.name} refuses the service's credentials ({answer.status_code} to {method} "
                f"{path}): set or renew them"
            )
        raise UnreachableError(
            f"{self.name} answers {answer.status_code} to {method} {path}: {answer.text[:_SHOWN]}"
        )
