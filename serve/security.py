"""Who may ask: API keys known by their hash, and signed announcements of a release."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

KEY_HEADER = "X-API-Key"
"""Not Authorization, which Cloud Run and other gateways use for themselves."""

_LONGEST_DELAY = 300.0


class ApiKeys:
    """The keys' SHA-256 digests by their owners' names.

    The keys are long random strings, so that a plain SHA-256 cannot be turned back.
    """

    def __init__(self, digests: Mapping[str, str]) -> None:
        self._digests = [(name, bytes.fromhex(digest)) for name, digest in digests.items()]

    def __bool__(self) -> bool:
        return bool(self._digests)

    def owner(self, key: bytes) -> str | None:
        """Return whose key it is, in a time that does not depend on the key; None if nobody's."""
        presented = hashlib.sha256(key).digest()
        found = None
        for name, digest in self._digests:
            if hmac.compare_digest(presented, digest):
                found = name
        return found


def sign(secret: str, delivery: str, timestamp: str, body: bytes) -> str:
    """Return the signature that MLflow's webhooks carry in `X-MLflow-Signature`.

    Source: mlflow.webhooks.delivery, version v1: HMAC-SHA256 of `delivery.timestamp.body`.
    """
    message = f"{delivery}.{timestamp}.".encode() + body
    digest = hmac.new(secret.encode(), message, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def is_signed(
    secret: str, headers: Mapping[str, str], body: bytes, now: float | None = None
) -> bool:
    """Tell whether an announcement is authentic and fresh: signed within the last 5 minutes."""
    timestamp = headers.get("x-mlflow-timestamp", "")
    expected = sign(secret, headers.get("x-mlflow-delivery-id", ""), timestamp, body)
    signature = headers.get("x-mlflow-signature", "")
    if not hmac.compare_digest(expected.encode(), signature.encode("utf-8", "replace")):
        return False
    moment = time.time() if now is None else now
    return timestamp.isdecimal() and abs(moment - int(timestamp)) <= _LONGEST_DELAY
