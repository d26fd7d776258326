"""Which requests a canary answers: a share of the keys, the same ones every time.

>>> to_canary("customer 7", 0.1, salt="a digest") == to_canary("customer 7", 0.1, "a digest")
True
"""

from __future__ import annotations

from hashlib import blake2b

_BITS = 53
"""As many as a float64 holds exactly."""


def position(key: str, salt: str) -> float:
    """Return where a key lies, from 0 to less than 1; uniform over keys.

    With the canary's digest as salt, each canary meets other keys.
    """
    digest = blake2b(key.encode(), key=salt.encode()[:64], digest_size=8).digest()
    return float(int.from_bytes(digest, "big") >> (64 - _BITS)) / 2.0**_BITS


def to_canary(key: str, share: float, salt: str) -> bool:
    """Whether the canary answers; a key that it answers at a share it answers at a larger one."""
    return position(key, salt) < share
