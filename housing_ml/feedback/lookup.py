"""One prediction among all that were logged, by its id: what was asked, said, and known since."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import AwareDatetime, Field

from housing_ml.data.contract import CATEGORY, COLUMNS
from housing_ml.feedback.actual_prices import batches
from housing_ml.feedback.log_format import FOLDER, OUTPUTS
from housing_ml.feedback.prediction_log import GoneError, opened
from housing_ml.records.base import Record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from housing_ml.storage.versioned import ReleaseStorage

_ID = "prediction_id"
_MONTHS_OF_FEEDBACK = timedelta(days=400)
"""How long after a prediction its price is looked for."""


class LoggedPrediction(Record):
    """A prediction as it was logged. Prices are in dollars."""

    prediction_id: str
    at: AwareDatetime
    model_version: str
    channel: str
    row: dict[str, float | str | None] = Field(description="What was asked, by column.")
    predicted_price: float
    lower: float
    upper: float
    actual_price: float | None = Field(description="The latest that was sent; null: none came.")
    actual_from: str | None = Field(description="Who sent it; empty where no keys are asked for.")


def find_prediction(
    storage: ReleaseStorage, prediction_id: str, day: date | None = None
) -> LoggedPrediction | None:
    """Return the prediction of this id, or None; the newest days are searched first.

    Only the ids of a file are read until the right one is found.

    Args:
        storage: where the log is.
        prediction_id: as the service gave it.
        day: on which it was made, in UTC, where that is known.

    Raises:
        LogError: when a file of the log cannot be read, or is of a newer format.
    """
    for name in _files(storage, day):
        try:
            with opened(storage, name) as file:
                row = _row(file, prediction_id)
        except GoneError:
            continue  # what another process compacts meanwhile is in the file that replaced it
        if row is not None:
            return _with_price(storage, row)
    return None


def _files(storage: ReleaseStorage, day: date | None) -> Iterator[str]:
    folders = storage.folders(FOLDER)
    # A file lies in the folder of the day on which it was begun: a row may be of the day after.
    wanted = {f"{FOLDER}/date={day - timedelta(days=back)}" for back in (0, 1)} if day else folders
    for folder in sorted(set(folders) & set(wanted), reverse=True):
        yield from (name for name in storage.names(folder) if name.endswith(".parquet"))


def _row(file: pq.ParquetFile, prediction_id: str) -> dict[str, Any] | None:
    for group in range(file.num_row_groups):
        ids = file.read_row_group(group, columns=[_ID]).column(_ID)
        place = pc.index(ids, prediction_id).as_py()
        if place >= 0:
            found: dict[str, Any] = file.read_row_group(group).slice(place, 1).to_pylist()[0]
            return found
    return None


def _with_price(storage: ReleaseStorage, row: dict[str, Any]) -> LoggedPrediction:
    at: datetime = row["time"]
    at = at.replace(tzinfo=at.tzinfo or UTC)
    price, sender = _actual(storage, str(row[_ID]), at)
    values = {name: row[name] for name in COLUMNS}
    bedrooms = values["total_bedrooms"]
    values["total_bedrooms"] = None if bedrooms != bedrooms else bedrooms  # noqa: PLR0124 - NaN
    return LoggedPrediction.model_validate(
        {
            _ID: row[_ID],
            "at": at,
            "model_version": row["model_version"],
            "channel": row["channel"],
            "row": {**values, CATEGORY: row[CATEGORY]},
            **{name: row[name] for name in OUTPUTS},
            "actual_price": price,
            "actual_from": sender,
        }
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
        for batch in batches(storage, days)
        for item in batch.items
        if item.prediction_id == prediction_id
    ]
    return max(sent)[1:] if sent else (None, None)
