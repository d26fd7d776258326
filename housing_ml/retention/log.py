"""The prediction log's old days as one file each: a year of traffic is 365 files and not a million.

Nothing is lost whenever it ends: the files of a day go after the one that has their rows is there,
and a row that is in both has one id.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
import pyarrow as pa

from housing_ml.feedback.log_format import FOLDER, LogError
from housing_ml.feedback.plain_log import plain
from housing_ml.feedback.prediction_log import opened
from housing_ml.monitoring.state import STATE, State
from housing_ml.retention.found import Found

if TYPE_CHECKING:
    from collections.abc import Sequence

    from housing_ml.config.retention import RetentionConfig
    from housing_ml.storage.versioned import ReleaseStorage

_WHOLE = "day.parquet"


def loose_days(storage: ReleaseStorage, now: datetime, config: RetentionConfig) -> Found:
    """Return the folders of old days that have several files, none of which a monitor counts."""
    last = (now - timedelta(days=config.compact_days)).date().isoformat()
    counted = {name.rpartition("/")[0] for name in _counted(storage)}
    days = [
        folder
        for folder in storage.folders(FOLDER)
        if _day(folder) and _day(folder) < last and folder not in counted
    ]
    loose = [folder for folder in days if len(_files(storage, folder)) > 1]

    def compact(folders: Sequence[str]) -> None:
        for folder in folders:
            _compact(storage, folder)

    return Found("days of the log to put together", loose, 0, compact)


def _compact(storage: ReleaseStorage, folder: str) -> None:
    """Write a day's rows into one file, each id once; a file that is not read here stays."""
    read = {name: _read(storage, name) for name in _files(storage, folder)}
    whole = {name: table for name, table in read.items() if table is not None}
    if len(whole) < 2:
        return
    together = pa.concat_tables(whole.values(), promote_options="default")
    storage.write(f"{folder}/{_WHOLE}", plain(together))
    for name in whole:
        if not name.endswith(f"/{_WHOLE}"):
            storage.delete(name)


def _read(storage: ReleaseStorage, name: str) -> pa.Table | None:
    try:
        with opened(storage, name) as file:
            return file.read()
    except LogError:
        return None


def _counted(storage: ReleaseStorage) -> set[str]:
    found = storage.read(STATE)
    return msgspec.json.decode(found.content, type=State).counted if found else set()


def _files(storage: ReleaseStorage, folder: str) -> list[str]:
    return [name for name in storage.names(folder) if name.endswith(".parquet")]


def _day(folder: str) -> str:
    found = re.search(r"date=(\d{4}-\d\d-\d\d)$", folder)
    return found[1] if found else ""
