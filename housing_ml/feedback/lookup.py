"""One prediction among all that were logged, by its id: what was asked, said, and known since."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import msgspec
from msgspec import Meta

from housing_ml.data.contract import CATEGORY, COLUMNS
from housing_ml.feedback.actual_prices import batches
from housing_ml.feedback.log_file import ID, LogFile, PackedError
from housing_ml.feedback.log_format import FOLDER, OUTPUTS
from housing_ml.feedback.prediction_ids import day_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from housing_ml.storage.versioned import ReleaseStorage

_MONTHS_OF_FEEDBACK = timedelta(days=400)
"""How long after a prediction its price is looked for."""

_DAYS_OF_WAITING = 3
"""How long a row may wait for a disk before it is logged."""

Rewrite: TypeAlias = "Callable[[bytes], bytes]"


class LoggedPrediction(msgspec.Struct, frozen=True, kw_only=True):
    """A prediction as it was logged. Prices are in dollars."""

    prediction_id: str
    at: Annotated[datetime, Meta(description="When it was made, in UTC.")]
    model_version: str
    channel: str
    row: Annotated[dict[str, float | str | None], Meta(description="What was asked, by column.")]
    predicted_price: float
    lower: float
    upper: float
    actual_price: Annotated[
        float | None, Meta(description="The latest that was sent; null: none came.")
    ]
    actual_from: Annotated[
        str | None, Meta(description="Who sent it; empty where no keys are asked for.")
    ]


def find_prediction(
    storage: ReleaseStorage,
    prediction_id: str,
    day: date | None = None,
    *,
    as_plain: Rewrite | None = None,
) -> LoggedPrediction | None:
    """Return the prediction of this id, or None; the newest days are searched first.

    An id says on which day it was given: no other is searched, whatever the log's size. Those that
    an older version gave say none.

    Args:
        storage: where the log is.
        prediction_id: as the service gave it.
        day: on which it was made, in UTC, where that is known: no other is searched.
        as_plain: rewrites a file that older versions packed in another way than is read here.

    Raises:
        LogError: when a file of the log cannot be read, or is of a newer format.
    """
    folders = sorted(storage.folders(FOLDER), reverse=True)
    if told := day or day_of(prediction_id):
        begun = _begun(told)
        folders = [folder for folder in folders if folder in begun]
    for folder in folders:
        for name in storage.names(folder):
            if name.endswith(".parquet") and (row := _row(storage, name, prediction_id, as_plain)):
                return _with_price(storage, row)
    return None


def _begun(day: date) -> set[str]:
    """Return the folders of files that may hold rows of a day: each lies in that of its start.

    It began the day before, or later where a full disk held the rows back.
    """
    days = (day + timedelta(days=after) for after in range(-1, _DAYS_OF_WAITING + 1))
    return {f"{FOLDER}/date={one}" for one in days}


def _row(
    storage: ReleaseStorage, name: str, prediction_id: str, as_plain: Rewrite | None
) -> dict[str, Any] | None:
    found = storage.read(name)
    if found is None:
        return None  # what another process compacts meanwhile is in the file that replaced it
    try:
        return LogFile(name, found.content).find(prediction_id)
    except PackedError:
        if as_plain is None:
            raise
        return LogFile(name, as_plain(found.content)).find(prediction_id)


def _with_price(storage: ReleaseStorage, row: dict[str, Any]) -> LoggedPrediction:
    at: datetime = row["time"]
    price, sender = _actual(storage, str(row[ID]), at)
    values = {name: row[name] for name in COLUMNS}
    bedrooms = values["total_bedrooms"]
    values["total_bedrooms"] = None if bedrooms != bedrooms else bedrooms  # noqa: PLR0124 - NaN
    return LoggedPrediction(
        prediction_id=row[ID],
        at=at,
        model_version=row["model_version"],
        channel=row["channel"],
        row={**values, CATEGORY: row[CATEGORY] or None},
        actual_price=price,
        actual_from=sender,
        **{name: row[name] for name in OUTPUTS},
    )


def _actual(
    storage: ReleaseStorage, prediction_id: str, at: datetime
) -> tuple[float | None, str | None]:
    """Return the price that came last for a prediction, and who sent it."""
    last = min(at + _MONTHS_OF_FEEDBACK, datetime.now(UTC) + timedelta(days=1)).date()
    first = at.date() - timedelta(days=1)
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    sent = [
        (batch.received, item.actual_price, batch.sender)
        for batch in batches(storage, days, naming=prediction_id)
        for item in batch.items
        if item.prediction_id == prediction_id
    ]
    return max(sent)[1:] if sent else (None, None)
