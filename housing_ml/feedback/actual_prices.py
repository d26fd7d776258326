"""Actual prices by prediction id, kept durably before they are acknowledged.

They come late, out of order, and more than once. Each batch is one immutable object named by its
content, so that sending it again changes nothing. Where two batches disagree on a prediction, the
one that came last holds.

    store = FeedbackStore(storage)
    store.add([Feedback("1c0f", 183_000.0)], "agency")  # returns when it is on disk, or raises

Few files are read however many were written: `compact` makes one file of a day's.
"""

from __future__ import annotations

import hashlib
import time
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from housing_ml.data.contract import Price
from housing_ml.storage.errors import ConflictError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from housing_ml.storage.versioned import ReleaseStorage

FOLDER = "feedback"
MAX_FEEDBACK = 1000
_COMPACTED = "compacted.json"
_LOOSE = 16
"""Files of a day that are left as they are."""


class Feedback(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The price that a predicted block group turned out to have."""

    prediction_id: Annotated[
        str, Meta(min_length=1, max_length=64, description="From the answer that predicted it.")
    ]
    actual_price: Price


class FeedbackRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Actual prices, as the API takes them."""

    instances: Annotated[
        list[Feedback],
        Meta(min_length=1, max_length=MAX_FEEDBACK, description="1 to 1,000 actual prices."),
    ]


class Batch(msgspec.Struct, frozen=True, omit_defaults=True):
    """What came together; `received` is the time in seconds since 1970."""

    received: float
    items: tuple[Feedback, ...]
    sender: str = ""
    """Owner of the caller's key; empty where the service asks for none: all are one sender."""


class FeedbackStore:
    """Feedback in the release storage, beside the prediction log."""

    def __init__(self, storage: ReleaseStorage) -> None:
        self._storage = storage

    def add(self, items: Sequence[Feedback], sender: str = "") -> None:
        """Keep a batch; when this returns it is durable, and what raises can be sent again.

        Raises:
            OSError: when the storage cannot take it; or the storage's own error.
        """
        self.add_all([(sender, items)])

    def add_all(self, groups: Sequence[tuple[str, Sequence[Feedback]]]) -> None:
        """Keep what several senders sent in one file; as `add` does."""
        received = time.time()
        digest = hashlib.sha256(msgspec.json.encode(groups)).hexdigest()
        name = f"{_folder(datetime.fromtimestamp(received, UTC).date())}/{digest[:40]}.json"
        if self._storage.read(name) is None:
            found = [Batch(received, tuple(items), sender) for sender, items in groups]
            self._storage.write(name, msgspec.json.encode(found))


def batches(storage: ReleaseStorage, days: Iterable[date], *, naming: str = "") -> Iterator[Batch]:
    """Yield what was received on these days in UTC, one day after the other.

    Files that do not hold the text `naming` are passed over: most of a year's, for one id.
    """
    known = set(storage.folders(FOLDER))
    for folder in filter(known.__contains__, map(_folder, days)):
        names = [name for name in storage.names(folder) if not name.endswith(_COMPACTED)]
        # What another process compacts meanwhile is gone here, and was written there before.
        for name in (*names, f"{folder}/{_COMPACTED}"):
            found = storage.read(name)
            if found is not None and naming.encode() in found.content:
                yield from _decode(found.content)


def compact(storage: ReleaseStorage, days: Iterable[date]) -> int:
    """Make one file of each day's, where there are more than a few; return how many went into it.

    Nothing is lost whenever it ends, or when two do it at once: files are removed after the one
    that holds them is written, and a batch that is there twice counts once.
    """
    known, moved = set(storage.folders(FOLDER)), 0
    for folder in filter(known.__contains__, map(_folder, days)):
        names = [name for name in storage.names(folder) if not name.endswith(_COMPACTED)]
        if len(names) > _LOOSE and _compact(storage, folder, names):
            moved += len(names)
    return moved


def _compact(storage: ReleaseStorage, folder: str, names: Sequence[str]) -> bool:
    target = f"{folder}/{_COMPACTED}"
    before = storage.read(target)
    parts = [before, *map(storage.read, names)]
    together = dict.fromkeys(batch for part in parts if part for batch in _decode(part.content))
    try:
        storage.write(
            target,
            msgspec.json.encode(list(together)),
            if_generation=before.generation if before else 0,
        )
    except ConflictError:
        return False
    for name in names:
        storage.delete(name)
    return True


def _decode(content: bytes) -> Sequence[Batch]:
    found = msgspec.json.decode(content, type=Batch | list[Batch])
    return found if isinstance(found, list) else [found]


def _folder(day: date) -> str:
    return f"{FOLDER}/date={day.isoformat()}"
