"""Signatures of bundles: Ed25519 (RFC 8032) over the digest, and through it over every file.

Keys and signatures are base64 text. Who publishes has the private key; the service has the public
one, and refuses a bundle without a good signature.

    >>> private, public = new_key()
    >>> verify("d" * 64, sign("d" * 64, private), [public])
"""
# ruff: noqa: PLC0415 - cryptography takes a while to import, and only who has a key needs it

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import TYPE_CHECKING

from housing_ml.bundle.manifest import BundleError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_PURPOSE = b"housing-ml bundle "
"""Part of the message, so that a signature of something else is none of a bundle."""


class SignatureError(BundleError):
    """A bundle without a good signature, or a key that is none; the message says which."""


def new_key() -> tuple[str, str]:
    """Return a new private key and its public key."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = Ed25519PrivateKey.generate()
    return _text(private.private_bytes_raw()), _text(private.public_key().public_bytes_raw())


def public_key(private: str) -> str:
    """Return the public key that belongs to a private one.

    Raises:
        SignatureError: when it is no key.
    """
    return _text(_private(private).public_key().public_bytes_raw())


def sign(digest: str, private: str) -> str:
    """Return the signature of the bundle with that digest.

    Raises:
        SignatureError: when the key is none.
    """
    return sign_message(_PURPOSE + digest.encode(), private)


def sign_message(message: bytes, private: str) -> str:
    """Return the signature of a message, which begins with its purpose.

    Raises:
        SignatureError: when the key is none.
    """
    return _text(_private(private).sign(message))


def verify(digest: str, signature: str | None, keys: Sequence[str]) -> None:
    """Check a bundle's signature against public keys, one of which must have made it.

    Raises:
        SignatureError: when there is no signature, or none of the keys made it.
    """
    if signature is None:
        raise SignatureError(
            f"bundle {digest[:12]} is not signed: publish it with HOUSING_SIGNING_KEY set"
        )
    if not verify_message(_PURPOSE + digest.encode(), signature, keys):
        raise SignatureError(
            f"bundle {digest[:12]}: none of the {len(keys)} known keys made its signature"
        )


def verify_message(message: bytes, signature: str, keys: Sequence[str]) -> bool:
    """Return whether one of the public keys made the signature.

    Raises:
        SignatureError: when the signature or a key is none.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    for key in keys:
        known = Ed25519PublicKey.from_public_bytes(_bytes(key, "public key"))
        try:
            known.verify(_bytes(signature, "signature"), message)
        except InvalidSignature:
            continue
        return True
    return False


def _private(text: str) -> Ed25519PrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(_bytes(text, "private key"))


def _bytes(text: str, what: str) -> bytes:
    """Return the bytes of a key (32) or a signature (64)."""
    try:
        content = b64decode(text, validate=True)
    except ValueError:
        content = b""
    if len(content) != (64 if what == "signature" else 32):
        raise SignatureError(f"the {what} is no Ed25519 {what} in base64: make one anew")
    return content


def _text(content: bytes) -> str:
    return b64encode(content).decode()
