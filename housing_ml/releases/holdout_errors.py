"""A release's holdout by place, in a form that the service can read: it has no Parquet reader."""

from __future__ import annotations

import msgspec


class HoldoutErrors(msgspec.Struct, frozen=True):
    """Held-out rows by column, each of the same length."""

    longitude: list[float]
    latitude: list[float]
    ocean_proximity: list[str]
    actual: list[int]
    """Dollars."""
    predicted: list[int]
    """Dollars."""


def errors_name(digest: str) -> str:
    """Return the name in the releases of a bundle's holdout by place."""
    return f"holdout/{digest}.json"
