"""Access tokens for whoever Google lends an identity, by Google's own library.

Workload identity federation (a token of GitHub's, Azure's, AWS's or an OpenID provider's for one of
Google's), workforce federation and impersonated service accounts. The library takes a quarter of a
second to import, so only a process with such credentials does.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx
from google.auth import (
    aws,
    exceptions,
    external_account_authorized_user,
    identity_pool,
    impersonated_credentials,
    pluggable,
)
from google.oauth2 import credentials as oauth2
from google.oauth2 import service_account

from serve.sources.remote import TIMEOUT, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_EVERYTHING = "https://www.googleapis.com/auth/cloud-platform"
"""Scope of the credentials that only ask for those of another account."""

_AWS = "urn:ietf:params:aws:token-type:aws4_request"


def token(document: Mapping[str, Any], scope: str) -> tuple[str, float]:
    """Return an access token for the credentials of a file, and the seconds that it is good for.

    Raises:
        UnreachableError: when it cannot be had; the message says why.
        KeyError, TypeError, ValueError: when the document lacks something.
    """
    found = _credentials(document, scope)
    try:
        found.refresh(_ask)
    except (exceptions.GoogleAuthError, OSError) as error:
        raise UnreachableError(f"Google gives no access token: {error}") from error
    until = found.expiry.replace(tzinfo=UTC)
    return str(found.token), (until - datetime.now(UTC)).total_seconds()


def _credentials(document: Mapping[str, Any], scope: str) -> Any:
    made: dict[str, Callable[[Mapping[str, Any], str], Any]] = {
        "external_account": _external,
        "external_account_authorized_user": _workforce,
        "impersonated_service_account": _impersonated,
        "service_account": _account,
        "authorized_user": _person,
    }
    return made[document["type"]](document, scope)


def _external(document: Mapping[str, Any], scope: str) -> Any:
    source = document["credential_source"]
    kind = pluggable if "executable" in source else identity_pool
    if document["subject_token_type"] == _AWS:
        kind = aws
    return kind.Credentials.from_info(document, scopes=[scope])


def _workforce(document: Mapping[str, Any], scope: str) -> Any:
    return external_account_authorized_user.Credentials.from_info(document, scopes=[scope])


def _impersonated(document: Mapping[str, Any], scope: str) -> Any:
    url = document["service_account_impersonation_url"]
    return impersonated_credentials.Credentials(
        source_credentials=_credentials(document["source_credentials"], _EVERYTHING),
        target_principal=url.rpartition("/")[2].partition(":")[0],
        target_scopes=[scope],
        delegates=document.get("delegates"),
        iam_endpoint_override=url,
    )


def _account(document: Mapping[str, Any], scope: str) -> Any:
    return service_account.Credentials.from_service_account_info(document, scopes=[scope])


def _person(document: Mapping[str, Any], scope: str) -> Any:
    return oauth2.Credentials.from_authorized_user_info(document, scopes=[scope])


class _Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    data: bytes


def _ask(
    url: str,
    method: str = "GET",
    body: bytes | str | None = None,
    headers: Mapping[str, str] | None = None,
    timeout: float | None = None,
    **_: Any,
) -> _Answer:
    """Ask for the library, by the HTTP client that the service has anyway."""
    try:
        answer = httpx.request(
            method, url, content=body, headers=headers, timeout=timeout or TIMEOUT
        )
    except httpx.HTTPError as error:
        raise exceptions.TransportError(error) from error
    return _Answer(answer.status_code, answer.headers, answer.content)
