"""How long the gate takes over the latest traffic: read the log, and price it with two models.

    python benchmarks/traffic.py [--rows 100000]

The traffic is of made-up block groups, in files of the service's own form.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from benchmarks.champions import train_bundle
from housing_ml.data.contract import COLUMNS, to_matrix
from housing_ml.data.synthetic import generate
from housing_ml.feedback.traffic import recent_traffic
from housing_ml.gate.traffic import Asked, price_traffic
from housing_ml.storage.versioned import LocalReleases
from serve.prediction_log import parquet
from serve.prediction_log.segments import Entry, to_columns

FILE_ROWS = 50_000


def main() -> None:
    """Print the seconds of each part, and of all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000, help="logged rows")
    options = parser.parse_args()
    rows = generate(20_000, seed=0)
    bundle = train_bundle(rows, seed=0)
    with tempfile.TemporaryDirectory() as folder:
        storage = LocalReleases(Path(folder))
        raw = to_matrix(rows[list(COLUMNS)])
        for first in range(0, options.rows, FILE_ROWS):
            _log(storage, first, np.resize(raw, (min(FILE_ROWS, options.rows - first), 9)))
        clock = [time.perf_counter()]
        found = recent_traffic(storage, datetime.now(UTC), days=7, most=100_000)
        if found is None:
            raise SystemExit("nothing was logged")
        asked = to_matrix(found[list(COLUMNS)])
        clock.append(time.perf_counter())
        warned = np.array([bool(said) for said in bundle.warnings_for(asked)])
        champion = Asked(asked, bundle.predict_matrix(asked).price, warned)
        clock.append(time.perf_counter())
        price_traffic(bundle, champion, ())
        clock.append(time.perf_counter())
    for name, seconds in zip(("log", "champion", "candidate"), np.diff(clock), strict=True):
        print(f"{name:12}{seconds:8.1f} s")
    print(f"{'all':12}{clock[-1] - clock[0]:8.1f} s for {len(asked):,} rows")


def _log(storage: LocalReleases, first: int, raw: np.ndarray) -> None:
    ids = [f"id-{row}" for row in range(first, first + len(raw))]
    entry = Entry.of("1", "champion", ids, raw, np.full((3, len(raw)), 200_000.0))
    name = f"predictions/date={datetime.now(UTC).date()}/{first}.parquet"
    storage.write(name, parquet.encode(to_columns([entry])))


if __name__ == "__main__":
    main()
