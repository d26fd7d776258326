"""Error on rows that no model has seen, and the price of a row, by recipe.

    python benchmarks/accuracy.py [--seeds 3] [--splits 5] [--only NAME ...] [--file FILE]
                                  [--picture FILE.png]

The published split is that of the papers on these rows: scikit-learn's `train_test_split` with the
seeds 0 and 1, 13,209 rows to train and 4,128 to test. The random splits hold out a fifth each. A
line has the mean RMSE in dollars over the seeds and over the splits, how many of both there were,
wMAPE and MAPE in percent over the splits, the seconds of a fit, the microseconds that features and
model take for a row, alone and among a thousand, all of processor time, and the bundle's megabytes.
Imputer and clusters are given but for "fit, all that it chooses".

Each fit is kept in FILE as soon as it is measured, and is not measured again there: the table may
be made in parts, and a changed model or feature is measured anew. `--seeds 0 --splits 0` shows what
is there. The picture has the error against the price of a row.

LightGBM and CatBoost take part where the interpreter has them; the project itself needs neither.
On the published split the papers have 39,140 and 39,980 (TabR, an ensemble and one), 42,440 (an
ensemble of TabM) and 42,650 (CatBoost).
"""

from __future__ import annotations

import argparse
import hashlib
import time
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.accuracy_lines import lines, published_split, random_split, real_rows, row_price
from housing_ml.fingerprint import feature_fingerprint
from housing_ml.modelling.metrics import metrics
from housing_ml.reporting.drawing import BLUE, GREY, INK, canvas, png

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.accuracy_lines import Line, Numbers, Rows

PAPERS = {"TabR, an ensemble": 39_140, "TabM, an ensemble": 42_440, "CatBoost": 42_650}


class Found(msgspec.Struct, frozen=True):
    """What was measured of a line: `what` is "published", "random" or "price", by seed.

    `shape` is a digest of the model's parameters and the features' code. `values` are RMSE in
    dollars, wMAPE, MAPE and seconds of a fit; of a price, both microseconds and megabytes.
    """

    line: str
    what: str
    seed: int
    shape: str
    values: tuple[float, ...]


class Record:
    """Measurements in a file, a line of JSON each; what is there is not measured again."""

    def __init__(self, file: Path) -> None:
        self._file = file
        kept = file.read_bytes().splitlines() if file.exists() else []
        self._found = {
            (one.line, one.what, one.seed, one.shape): one
            for one in (msgspec.json.decode(line, type=Found) for line in kept)
        }

    def add(self, found: Found) -> None:
        """Keep a measurement."""
        self._found[found.line, found.what, found.seed, found.shape] = found
        with self._file.open("ab") as file:
            file.write(msgspec.json.encode(found) + b"\n")

    def has(self, line: str, what: str, seed: int, shape: str) -> bool:
        """Return whether it was measured."""
        return (line, what, seed, shape) in self._found

    def values(self, line: str, what: str, shape: str) -> list[tuple[float, ...]]:
        """Return what was measured, for all seeds."""
        return [
            one.values
            for one in self._found.values()
            if (one.line, one.what, one.shape) == (line, what, shape)
        ]


def shape(model: Any) -> str:
    """Return a digest of what decides a model's predictions, but for its seed."""
    last = model[-1] if hasattr(model, "steps") else model
    given = {name: value for name, value in last.get_params().items() if "seed" not in name}
    given.pop("random_state", None)
    text = f"{type(last).__name__} {sorted(given.items())} {feature_fingerprint()}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def judge(model: Any, rows: Rows, split: tuple[Numbers, Numbers]) -> tuple[float, ...]:
    """Fit on one side of a split; return RMSE, wMAPE and MAPE on the other, and the seconds."""
    inside, outside = split
    known = rows.prices[inside]
    started = time.process_time()
    model.fit(rows.raw[inside], known)
    seconds = time.process_time() - started
    predicted = np.clip(model.predict(rows.raw[outside]), known.min(), known.max())
    found = metrics(rows.prices[outside], predicted)
    return found.rmse, found.wmape, found.mape, seconds


def measure(record: Record, name: str, line: Line, seeds: int, splits: int) -> None:
    """Measure what is missing of a line."""
    count, digest = len(line.rows.raw), shape(line.make(0))

    def missing(what: str, wanted: int) -> Iterator[int]:
        return (seed for seed in range(wanted) if not record.has(name, what, seed, digest))

    for seed in missing("published", seeds):
        values = judge(line.make(seed), line.rows, published_split(count))
        record.add(Found(name, "published", seed, digest, values))
    for seed in missing("random", splits):
        values = judge(line.make(seed), line.rows, random_split(count, seed))
        record.add(Found(name, "random", seed, digest, values))
    if line.parameters is not None and (seeds or splits):
        for seed in missing("price", 1):
            values = row_price(line.rows, line.parameters)
            record.add(Found(name, "price", seed, digest, values))


def told(record: Record, name: str, line: Line) -> str:
    """Return a line of the table."""
    digest = shape(line.make(0))
    published = record.values(name, "published", digest)
    random = record.values(name, "random", digest)
    text = (
        f"{name:34} {cell(published, 0, '9,.0f')} {len(published):3} {cell(random, 0, '9,.0f')} "
        f"{len(random):3} {cell(random, 1, '6.2%')} {cell(random, 2, '6.2%')} "
        f"{cell(published or random, 3, '6.1f')}"
    )
    for one, many, megabytes in record.values(name, "price", digest):
        text += f" {one:7.0f} {many:7.1f} {megabytes:6.1f}"
    return text


def cell(values: list[tuple[float, ...]], column: int, form: str) -> str:
    """Return the mean of a column as a number of that form, or as much space."""
    return f"{fmean(one[column] for one in values):{form}}" if values else " " * int(form[0])


def picture(record: Record, known: dict[str, Line]) -> bytes:
    """Return a PNG of the error on the published split against the price of a row."""
    figure, axes = canvas("Error and price of a row", height=3.6)
    for name, line in known.items():
        digest = shape(line.make(0))
        errors = record.values(name, "published", digest)
        for _, many, _ in record.values(name, "price", digest) if errors else []:
            error = fmean(one[0] for one in errors)
            axes.plot(many, error, "o", color=BLUE if name == "the default" else GREY)
            axes.annotate(
                name, (many, error), (6, 4), textcoords="offset points", fontsize=9, color=INK
            )
    axes.axhline(PAPERS["TabR, an ensemble"], color=GREY, linestyle="--")
    axes.set_xlabel("microseconds per row, 1,000 at a time, one core", color=INK)
    axes.set_ylabel("RMSE on the published split, dollars", color=INK)
    axes.margins(x=0.25)
    return png(figure)


def main() -> None:
    """Measure what is asked for and is not there, then print all of the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=[""], help="what names of lines begin with")
    parser.add_argument("--file", type=Path, default=Path("accuracy.jsonl"))
    parser.add_argument("--picture", type=Path)
    chosen = parser.parse_args()
    record, known = Record(chosen.file), lines(real_rows())
    with threadpool_limits(limits=1):
        for name, line in known.items():
            if name.startswith(tuple(chosen.only)):
                measure(record, name, line, chosen.seeds, chosen.splits)
                print(told(record, name, line), flush=True)
    print(
        f"\n{'recipe':34} {'published':>9} {'':3} {'random':>9} {'':3} {'wMAPE':>6} {'MAPE':>6} "
        f"{'fit s':>6} {'one us':>7} {'many us':>7} {'MB':>6}"
    )
    for name, line in known.items():
        print(told(record, name, line))
    if chosen.picture:
        chosen.picture.write_bytes(picture(record, known))


if __name__ == "__main__":
    main()
