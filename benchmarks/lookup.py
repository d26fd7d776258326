"""How long `housing prediction ID` searches in a year of log.

    python benchmarks/lookup.py [ROWS]

Ten million rows over 365 days, unless said otherwise: old days as `housing retention` leaves them,
the last 40 as the service writes them, and a price for every tenth.
"""

from __future__ import annotations

import sys
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from housing_ml.feedback.actual_prices import Batch, Feedback
from housing_ml.feedback.log_format import FOLDER
from housing_ml.feedback.lookup import find_prediction
from housing_ml.feedback.plain_log import plain
from housing_ml.feedback.prediction_ids import PredictionIds
from housing_ml.storage.versioned import LocalReleases
from serve.prediction_log import parquet
from serve.prediction_log.segments import Entry, to_columns

DAYS, LOOSE, FILE_ROWS = 365, 40, 16_000
_EPOCH = date(1970, 1, 1)
_TIMES = 5


def ids_of(day: date, raw: np.ndarray) -> list[str]:
    """Return ids as if they were given on that day."""
    names = PredictionIds([b"a key of the deployment"]).issue("agency", "42", raw)
    told = f"{(day - _EPOCH).days:04x}"
    return [name[:14] + told + name[18:] for name in names]


def write_day(storage: LocalReleases, day: date, rows: int, *, whole: bool) -> list[str]:
    """Write a day's predictions and prices; return the ids."""
    random = np.random.default_rng(day.toordinal())
    raw = random.uniform(1, 1000, (rows, 9))
    raw[:, -1] = random.integers(0, 5, rows)
    ids = ids_of(day, raw)
    ids[0] = f"{ids[0][:18]}-0"  # as version 0.1 gave them
    moment = datetime(day.year, day.month, day.day, 12, tzinfo=UTC).timestamp()
    outputs = [random.uniform(1e5, 4e5, rows) for _ in range(3)]
    step = rows if whole else FILE_ROWS
    for start in range(0, rows, step):
        part = slice(start, start + step)
        numbers = np.column_stack([raw[part], *(column[part] for column in outputs)]).tobytes()
        entry = Entry(moment, "42", "champion", ids[part], numbers)
        content = parquet.encode(to_columns([entry]))
        if whole:
            content = plain(pq.read_table(pa.BufferReader(content)))
        storage.write(f"{FOLDER}/date={day}/{start}.parquet", content)
    sent = Batch(moment, tuple(Feedback(name, 2e5) for name in ids[::10]))
    storage.write(f"feedback/date={day}/compacted.json", msgspec.json.encode([sent]))
    return ids


def seconds(storage: LocalReleases, name: str, *, known: bool = True) -> float:
    """Return the slowest of several look-ups."""
    times = []
    for _ in range(_TIMES):
        start = time.perf_counter()
        assert (find_prediction(storage, name) is not None) == known  # noqa: S101 - it is to be right
        times.append(time.perf_counter() - start)
    return max(times)


def main() -> None:
    """Write the log, and print what the look-ups take."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
    today = datetime.now(UTC).date()
    with TemporaryDirectory() as folder:
        storage = LocalReleases(Path(folder))
        days = [today - timedelta(days=back) for back in range(DAYS)]
        ids = [
            write_day(storage, day, rows // DAYS, whole=back >= LOOSE)
            for back, day in enumerate(days)
        ]
        cases = {
            "of yesterday": ids[1][-1],
            "of half a year ago, with its price": ids[180][20],
            "that an older version gave half a year ago": ids[180][0],
        }
        for what, name in cases.items():
            print(f"an id {what}: {seconds(storage, name):.2f} s")
        (other,) = ids_of(days[180], np.zeros((1, 9)))
        print(f"an id that there is not: {seconds(storage, other, known=False):.2f} s")


if __name__ == "__main__":
    main()
