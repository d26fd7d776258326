"""The latest rows that the service was asked for: a bounded sample of the prediction log."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from housing_ml.feedback.log_format import LogError
from housing_ml.feedback.prediction_log import Horizon, columns_of, log_files, opened, read_log

if TYPE_CHECKING:
    from datetime import datetime

    from housing_ml.feedback.prediction_log import LogRows
    from housing_ml.storage.versioned import ReleaseStorage

VERSION, PRICE = "model_version", "predicted_price"
_ORDER = "order"


def recent_traffic(
    storage: ReleaseStorage, now: datetime, *, days: int, most: int
) -> pd.DataFrame | None:
    """Return at most so many of the rows that were priced in the last days; None if none were.

    They have the contract's columns, the version that priced them and its price in dollars. Among
    more rows those are taken whose ids come first in an order by chance, so that the same log gives
    the same rows. What a shadow priced too is there once. A file that cannot be read is left out:
    the monitor names it.
    """
    horizon, since = Horizon.of_days(now, days), now - timedelta(days=days)
    kept, waiting, rows = pd.DataFrame(), list[pd.DataFrame](), 0
    for name in log_files(storage, horizon.days()):
        try:
            found = [_table(part, since) for part in read_log(storage, name)]
        except LogError:
            continue
        waiting += found
        rows += sum(map(len, found))
        if rows > most:
            kept, waiting, rows = _first([kept, *waiting], most), [], 0
    kept = _first([kept, *waiting], most)
    return None if kept.empty else kept.drop(columns=_ORDER).reset_index(drop=True)


def _first(frames: list[pd.DataFrame], most: int) -> pd.DataFrame:
    rows = pd.concat(frames)
    if rows.empty:
        return rows
    ordered = rows.sort_values([_ORDER, VERSION], kind="stable")
    return ordered.drop_duplicates(_ORDER)[:most]


def _table(rows: LogRows, since: datetime) -> pd.DataFrame:
    new = rows.microseconds >= since.timestamp() * 1e6
    ids = rows.ids.to_numpy(zero_copy_only=False)[new]
    return pd.DataFrame(
        {
            **columns_of(rows.raw[new]),
            VERSION: np.array(rows.versions, dtype=object)[rows.version[new]],
            PRICE: rows.outputs[new, 0],
            _ORDER: pd.util.hash_array(ids, categorize=False),
        }
    )


def recent_requests(storage: ReleaseStorage, now: datetime) -> int:
    """Return how many requests were priced in the last day; such as came together count as one."""
    horizon, since = Horizon.of_days(now, 1), now - timedelta(days=1)
    found = set[int]()
    for name in log_files(storage, horizon.days()):
        try:
            with opened(storage, name) as file:
                times = file.read(columns=["time"]).column("time")
        except LogError:
            continue
        found.update(pc.unique(times.cast(pa.int64())).to_pylist())
    return sum(moment >= since.timestamp() * 1e6 for moment in found)
