"""How fair a release's prices are to assess by, published beside it for those who look at it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from housing_ml.records.equity import Equity

if TYPE_CHECKING:
    from housing_ml.storage.versioned import ReleaseStorage

_FIGURES = TypeAdapter(tuple[Equity, ...])


def publish_equity(storage: ReleaseStorage, digest: str, equity: tuple[Equity, ...]) -> None:
    """Keep the figures of a bundle's holdout."""
    storage.write(_name(digest), _FIGURES.dump_json(equity))


def equity_of(storage: ReleaseStorage, digest: str) -> tuple[Equity, ...]:
    """Return the figures of a bundle; none where they cannot be read, or 0.1 published it."""
    found = storage.read(_name(digest))
    try:
        return _FIGURES.validate_json(found.content) if found else ()
    except ValidationError:
        return ()


def _name(digest: str) -> str:
    return f"equity/{digest}.json"
