"""Actual prices by prediction id, kept durably before they are acknowledged.

They come late, out of order, and more than once. Each batch is one immutable object named by its
content, so that sending it again changes nothing. Where two batches disagree on a prediction, the
one that came last holds.

    store = FeedbackStore(storage)
    store.add([Feedback("1c0f-0", 183_000.0)])  # returns when it is on disk, or raises
"""

from __future__ import annotations

import hashlib
import time
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from housing_ml.data.contract import Price

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from housing_ml.storage.versioned import ReleaseStorage

FOLDER = "feedback"
MAX_FEEDBACK = 1000


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


class Batch(msgspec.Struct, frozen=True):
    """What came together; `received` is the time in seconds since 1970."""

    received: float
    items: tuple[Feedback, ...]


class FeedbackStore:
    """Feedback in the release storage, beside the prediction log."""

    def __init__(self, storage: ReleaseStorage) -> None:
        self._storage = storage

    def add(self, items: Sequence[Feedback]) -> None:
        """Keep a batch; when this returns it is durable, and what raises can be sent again.

        Raises:
            OSError: when the storage cannot take it; or the storage's own error.
        """
        received = time.time()
        digest = hashlib.sha256(msgspec.json.encode(items)).hexdigest()
        name = f"{_folder(datetime.fromtimestamp(received, UTC).date())}/{digest[:40]}.json"
        if self._storage.read(name) is None:
            batch = Batch(received, tuple(items))
            self._storage.write(name, msgspec.json.encode(batch))


def batches(storage: ReleaseStorage, days: Iterable[date]) -> Iterator[Batch]:
    """Yield what was received on these days in UTC, one day after the other."""
    known = set(storage.folders(FOLDER))
    for folder in filter(known.__contains__, map(_folder, days)):
        for name in storage.names(folder):
            found = storage.read(name)
            if found is not None:
                yield msgspec.json.decode(found.content, type=Batch)


def _folder(day: date) -> str:
    return f"{FOLDER}/date={day.isoformat()}"
