"""Access tokens for Google Cloud, found where Google's own libraries find them.

The file that `GOOGLE_APPLICATION_CREDENTIALS` names, then gcloud's own such file, then the metadata
server of the machine, as on Cloud Run. A service account's key, a person's credentials and the
metadata server are asked here in a request of one kind each; for a file of any other kind there is
`serve.sources.federation`.
"""

from __future__ import annotations

import os
import time
from base64 import urlsafe_b64encode
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import msgspec

from serve.sources.remote import UnreachableError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

_SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
_TOKEN_URL = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address
_GCLOUD_FILE = ".config/gcloud/application_default_credentials.json"
_FEDERATED = (
    "external_account",
    "external_account_authorized_user",
    "impersonated_service_account",
)
_EARLY_SECONDS = 120.0
"""A token is renewed this long before it expires."""


class GoogleAuth(httpx.Auth):
    """Sends a token with each request; renews it before it expires, and when it is refused.

    The credentials are read for each new token, so that they may be replaced meanwhile.
    """

    requires_response_body = True

    def __init__(self) -> None:
        self._token = ("", 0.0)

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response]:
        """Yield the requests to send, as httpx asks for them."""
        token, until = self._token
        if time.monotonic() >= until:
            token = yield from self._renew()
        request.headers["Authorization"] = f"Bearer {token}"
        answer = yield request
        if answer.status_code == HTTPStatus.UNAUTHORIZED:
            token = yield from self._renew()
            request.headers["Authorization"] = f"Bearer {token}"
            yield request

    def _renew(self) -> Generator[httpx.Request, httpx.Response, str]:
        asked = _asked()
        given = _given((yield asked)) if isinstance(asked, httpx.Request) else asked
        self._token = (given.access_token, time.monotonic() + given.expires_in - _EARLY_SECONDS)
        return given.access_token


class _Token(msgspec.Struct, frozen=True):
    access_token: str
    expires_in: float


def find_auth() -> GoogleAuth | None:
    """Return what signs requests; none for an emulator, unless credentials are named for it."""
    named = "GOOGLE_APPLICATION_CREDENTIALS" in os.environ
    return None if "STORAGE_EMULATOR_HOST" in os.environ and not named else GoogleAuth()


def _given(answer: httpx.Response) -> _Token:
    if not answer.is_success:
        raise UnreachableError(
            f"Google gives no access token ({answer.status_code}): check the credentials"
        )
    return msgspec.json.decode(answer.content, type=_Token)


def _asked() -> httpx.Request | _Token:
    """Return the request for a token, or the token of credentials that take more than one."""
    named = os.environ.get("GOOGLE_APPLICATION_CREDENTIALS")
    file = Path(named) if named else Path.home() / _GCLOUD_FILE
    if not named and not file.exists():
        return _machine_request()
    kinds: dict[str, Callable[[dict[str, Any]], httpx.Request | _Token]] = {
        "service_account": _account_request,
        "authorized_user": _person_request,
        **dict.fromkeys(_FEDERATED, _federated),
    }
    try:
        document: dict[str, Any] = msgspec.json.decode(file.read_bytes())
        return kinds[document["type"]](document)
    except UnreachableError:
        raise
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise UnreachableError(
            f"{file} holds no credentials of Google's ({', '.join(kinds)}): {error!r}"
        ) from error


def _federated(document: dict[str, Any]) -> _Token:
    from serve.sources import federation  # noqa: PLC0415 - for who has such credentials

    return _Token(*federation.token(document, _SCOPE))


def _machine_request() -> httpx.Request:
    host = os.environ.get("GCE_METADATA_HOST", "metadata.google.internal")
    url = f"http://{host}/computeMetadata/v1/instance/service-accounts/default/token"
    return httpx.Request("GET", url, headers={"Metadata-Flavor": "Google"})


def _person_request(document: dict[str, Any]) -> httpx.Request:
    given = {name: document[name] for name in ("client_id", "client_secret", "refresh_token")}
    url = document.get("token_uri", _TOKEN_URL)
    return httpx.Request("POST", url, data={"grant_type": "refresh_token", **given})


def _account_request(document: dict[str, Any]) -> httpx.Request:
    url = document.get("token_uri", _TOKEN_URL)
    issued = int(time.time())
    claims = {
        "iss": document["client_email"],
        "scope": _SCOPE,
        "aud": url,
        "iat": issued,
        "exp": issued + 3600,
    }
    header = {"alg": "RS256", "typ": "JWT", "kid": document.get("private_key_id")}
    grant = "urn:ietf:params:oauth:grant-type:jwt-bearer"
    assertion = _signed(header, claims, document["private_key"])
    return httpx.Request("POST", url, data={"grant_type": grant, "assertion": assertion})


def _signed(header: dict[str, Any], claims: dict[str, Any], key: str) -> str:
    """Return a JSON web token (RFC 7519), signed with RSA and SHA-256."""
    from cryptography.hazmat.primitives.asymmetric.padding import (  # noqa: PLC0415
        PKCS1v15,
    )
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey  # noqa: PLC0415
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415
        load_pem_private_key,
    )

    private = load_pem_private_key(key.encode(), password=None)
    if not isinstance(private, RSAPrivateKey):
        raise TypeError("the service account's key is no RSA key")
    parts = (_base64(msgspec.json.encode(part)) for part in (header, claims))
    message = ".".join(parts)
    return f"{message}.{_base64(private.sign(message.encode(), PKCS1v15(), SHA256()))}"


def _base64(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()
