"""What a person said of prices that were set aside: taken, or refused for ever.

The decisions lie in one object of the release storage, by prediction id, each with who and why.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec

from housing_ml.storage.errors import ReleaseError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from housing_ml.storage.versioned import ReleaseStorage

OBJECT = "feedback/reviewed.json"

Verdict: TypeAlias = Literal["accepted", "refused"]


class Review(msgspec.Struct, frozen=True):
    """What somebody said of one price."""

    verdict: Verdict
    by: str
    why: str
    at: str
    """Time in UTC, ISO 8601."""


def reviewed(storage: ReleaseStorage) -> dict[str, Review]:
    """Return what was said, by prediction id.

    Raises:
        ReleaseError: when the record is damaged.
    """
    return _read(storage)[0]


def decide(
    storage: ReleaseStorage, names: Iterable[str], verdict: Verdict, *, why: str, by: str
) -> None:
    """Record what somebody says of these predictions' prices; the last word holds.

    Raises:
        ConflictError: when someone else decided meanwhile.
    """
    known, generation = _read(storage)
    said = Review(verdict, by, why, datetime.now(UTC).isoformat(timespec="seconds"))
    content = msgspec.json.encode({**known, **dict.fromkeys(names, said)})
    storage.write(OBJECT, content, if_generation=generation)


def _read(storage: ReleaseStorage) -> tuple[dict[str, Review], int]:
    found = storage.read(OBJECT)
    if found is None:
        return {}, 0
    try:
        return msgspec.json.decode(found.content, type=dict[str, Review]), found.generation
    except msgspec.MsgspecError as error:
        raise ReleaseError(f"{OBJECT} is damaged: {error}") from error
