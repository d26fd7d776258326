"""Time and peak memory of the monitor over a log as the service writes it.

    python benchmarks/monitoring.py [PREDICTIONS] [SHARE_WITH_FEEDBACK]

The rows are made up (lognormal columns, 30 days), in files of the size of the service's segments,
with feedback in batches of a thousand. Writing them takes longer than the analysis; the analysis
runs in a process of its own, once for the whole log, and once more when nothing is new.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import numpy as np

from housing_ml.bundle.reference import REFERENCE, describe
from housing_ml.config.monitoring import MonitorConfig
from housing_ml.data.contract import CATEGORIES, NUMERIC
from housing_ml.feedback.actual_prices import Batch, Feedback
from housing_ml.monitoring.analysis import analyse
from housing_ml.releases.channels import move_channels
from housing_ml.releases.records import Release, TrainingData, now
from housing_ml.storage.versioned import LocalReleases
from serve.prediction_log import parquet
from serve.prediction_log.segments import Entry, to_columns

PREDICTIONS, SHARE = 10_000_000, 0.1
FILE_ROWS, DAYS = 60_000, 30
START = datetime(2026, 1, 1, tzinfo=UTC)
DIGEST = "0" * 64


def made_up(rows: int, generator: np.random.Generator) -> np.ndarray:
    """Return raw rows and prices, float64 (rows, 12), of no particular place."""
    numbers = generator.lognormal(3, 1, (rows, len(NUMERIC)))
    codes = generator.integers(0, len(CATEGORIES), rows)
    price = generator.lognormal(12, 0.5, rows)
    return np.column_stack([numbers, codes, price, 0.8 * price, 1.25 * price])


def write_log(storage: LocalReleases, predictions: int, share: float) -> None:
    """Write a champion with its reference, and its log and feedback."""
    generator = np.random.default_rng(0)
    sample = made_up(20_000, generator)
    reference = describe(sample[:, :9], sample[:, 9], sample[:, 9])
    storage.write(f"bundles/{DIGEST}/{REFERENCE}", reference.to_json())
    release = Release(
        version="1",
        bundle=DIGEST,
        model="benchmark",
        metrics={"wmape": 0.12, "coverage": 0.9},
        data=TrainingData(digest=DIGEST, rows=len(sample), synthetic=True),
        promoted_at=START.isoformat(),
        promoted_by="benchmark",
        reason=f"benchmark of {now()}",
    )
    move_channels(storage, lambda _: {"champion": release}, if_generation=0)
    for index, first in enumerate(range(0, predictions, FILE_ROWS)):
        rows = min(FILE_ROWS, predictions - first)
        moment = START + timedelta(days=DAYS * first / predictions)
        write_file(storage, index, moment, made_up(rows, generator), share)


def write_file(
    storage: LocalReleases, index: int, moment: datetime, rows: np.ndarray, share: float
) -> None:
    """Write one segment's file, and feedback on a share of its rows a minute later."""
    ids = [f"{index:024x}-{row}" for row in range(len(rows))]
    entry = Entry(moment.timestamp(), "1", "champion", ids, rows.tobytes())
    columns = to_columns([entry])
    storage.write(f"predictions/date={moment.date()}/{index:06}.parquet", parquet.encode(columns))
    known = int(share * len(rows))
    actual = (rows[:known, 9] * 1.05).tolist()
    for first in range(0, known, 1000):
        items = map(Feedback, ids[first : first + 1000], actual[first : first + 1000])
        batch = Batch(moment.timestamp() + 60, tuple(items))
        name = f"feedback/date={moment.date()}/{index}-{first}.json"
        storage.write(name, msgspec.json.encode(batch))


def measure(folder: str, what: str) -> None:
    """Analyse and print a line of the table."""
    started, cpu = time.perf_counter(), time.process_time()
    later = START + timedelta(days=DAYS, minutes=10)
    report = analyse(LocalReleases(Path(folder)), MonitorConfig(), later)
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{what:>12} {report.predictions:>12,} {report.labelled:>12,} "
        f"{seconds:>9.1f} {cpu:>9.1f} {peak:>9,.0f}",
        flush=True,
    )


def main(predictions: int, share: float) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        write_log(LocalReleases(Path(folder)), predictions, share)
        counts, costs = f"{'predictions':>12} {'labelled':>12}", f"{'seconds':>9} {'CPU s':>9}"
        print(f"{'':>12} {counts} {costs} {'peak MB':>9}", flush=True)
        for what in ("whole log", "nothing new"):
            subprocess.run([sys.executable, __file__, "measure", folder, what], check=True)  # noqa: S603


if __name__ == "__main__":
    if sys.argv[1:2] == ["measure"]:
        measure(*sys.argv[2:])
    else:
        count, share, *_ = [*sys.argv[1:], *[PREDICTIONS, SHARE][len(sys.argv) - 1 :]]
        main(int(count), float(share))
