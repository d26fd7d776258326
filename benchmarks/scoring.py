"""Rows per second and peak memory of batch scoring, for Parquet files of several sizes.

    python benchmarks/scoring.py [ROWS ...]

The rows are drawn from the bundle's golden rows and moved a little, so that hardly two are alike;
1 % lack the bedrooms, as in the real data.
Each size runs in a process of its own. The champion's bundle is used; without one, a small model
is trained on the synthetic sample first.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from housing_ml.bundle.batch_scoring import score
from housing_ml.bundle.manifest import Provenance
from housing_ml.bundle.model import Bundle
from housing_ml.config.choices import FeatureParameters
from housing_ml.config.modelling import TrainingConfig
from housing_ml.data.contract import CATEGORIES, COLUMNS, FIELDS, NUMERIC, TARGET, Matrix, to_matrix
from housing_ml.modelling.golden_rows import ORDINARY
from housing_ml.releases.channels import fetch_bundle, open_releases, read_channels
from housing_ml.settings import Settings

MISSING_SHARE = 0.01
SIZES = (500_000, 1_000_000, 2_000_000)


def the_bundle() -> Bundle:
    """Return the champion, or a model of the default size trained on the synthetic sample."""
    releases = open_releases(Settings())
    champion = read_channels(releases)[0].channels.get("champion")
    if champion:
        return Bundle(fetch_bundle(releases, champion.bundle))
    from housing_ml.data.synthetic import generate  # noqa: PLC0415 - only without a champion
    from housing_ml.modelling.training import train  # noqa: PLC0415 - the same

    frame = generate()
    provenance = Provenance(data_digest="0" * 64, rows=len(frame), synthetic=True)
    features = FeatureParameters()
    raw, prices = to_matrix(frame), frame[TARGET].to_numpy()
    model = "histogram_gradient_boosting"
    return train(raw, prices, features, model, {}, TrainingConfig(), provenance).bundle


def write_rows(golden: Matrix, rows: int, path: Path) -> None:
    """Write a Parquet file of `rows` made-up block groups."""
    generator = np.random.default_rng(0)
    with pq.ParquetWriter(path, make_table(golden[:1], generator).schema) as writer:
        for start in range(0, rows, 100_000):
            count = min(100_000, rows - start)
            writer.write_table(
                make_table(golden[generator.integers(0, len(golden), count)], generator)
            )


def make_table(raw: Matrix, generator: np.random.Generator) -> pa.Table:
    """Return block groups like the raw rows, each moved a little and some without bedrooms."""
    rooms, bedrooms = COLUMNS.index("total_rooms"), COLUMNS.index("total_bedrooms")
    missing = generator.random(len(raw)) < MISSING_SHARE
    raw = np.where(np.isnan(raw), raw[:, [rooms]] / 5, raw)
    raw[missing, bedrooms] = np.nan
    columns: dict[str, object] = {}
    for name, values in zip(NUMERIC, raw.T[: len(NUMERIC)], strict=True):
        moved = values * generator.uniform(0.995, 1.005, len(values))
        columns[name] = np.clip(moved, FIELDS[name].minimum, FIELDS[name].maximum)
    codes = np.maximum(raw[:, -1], 0).astype(np.intp)
    return pa.table({**columns, COLUMNS[-1]: np.array(CATEGORIES)[codes]})


def measure(bundle: str, source: str, target: str) -> None:
    """Score one file and print a line of the table."""
    files = {item.name: item.read_bytes() for item in Path(bundle).iterdir()}
    report = score(source, target, Bundle(files))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rate = report.rows / report.seconds
    print(f"{report.rows:>12,} {rate:>12,.0f} {report.seconds:>9.1f} {peak:>10,.0f}", flush=True)


def main(sizes: list[int]) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        bundle = the_bundle()
        bundle.save(Path(folder, "bundle"))
        print(f"{'rows':>12} {'rows/s':>12} {'seconds':>9} {'peak MB':>10}", flush=True)
        for size in sizes:
            source = Path(folder, f"{size}.parquet")
            write_rows(bundle.golden.raw[:ORDINARY], size, source)
            places = [f"{folder}/bundle", str(source), f"{folder}/out-{size}"]
            subprocess.run([sys.executable, __file__, "measure", *places], check=True)  # noqa: S603


if __name__ == "__main__":
    if sys.argv[1:2] == ["measure"]:
        measure(*sys.argv[2:])
    else:
        main([int(size) for size in sys.argv[1:]] or list(SIZES))
