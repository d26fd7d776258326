"""Who may ask: API keys known by their hash, and signed announcements of a release."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from typing import TYPE_CHECKING, NamedTuple

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


class Signature(NamedTuple):
    """What the headers of an announcement say: its signature, its id and its time in seconds."""

    value: str
    delivery: str
    timestamp: str


def is_signed(secret: str, signature: Signature, body: bytes, now: float | None = None) -> bool:
    """Tell whether an announcement is authentic and fresh: signed within the last 5 minutes."""
    expected = sign(secret, signature.delivery, signature.timestamp, body)
    if not hmac.compare_digest(expected.encode(), signature.value.encode("utf-8", "replace")):
        return False
    moment = time.time() if now is None else now
    sent = signature.timestamp
    return sent.isdecimal() and abs(moment - int(sent)) <= _LONGEST_DELAY
