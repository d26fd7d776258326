"""Where the time of a row goes in a large request and in a file of rows.

    python benchmarks/rows.py

Microseconds of processor time per row, of all threads, the least of several tries: a busy machine
changes them little. What one core does in them, two do in half: divide a million by the sum, times
the cores, for the rows per second that a machine could reach. The champion's bundle is used;
without one, a small model is trained on the synthetic sample first.
"""

from __future__ import annotations

import io
import time
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.scoring import make_table, the_bundle
from housing_ml.bundle.model import bounded
from housing_ml.bundle.row_order import similar_order
from housing_ml.bundle.table_chunks import ParquetChunk
from housing_ml.data.checks import check
from housing_ml.data.contract import COLUMNS, BlockGroup, to_matrix
from housing_ml.features.geography import plane
from housing_ml.features.kd_tree import NearestPoints
from housing_ml.features.neighbours import COUNT
from housing_ml.modelling.golden_rows import ORDINARY
from serve.schemas import (
    PredictedPrice,
    PredictionInterval,
    PredictionRequest,
    PredictionResponse,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from housing_ml.bundle.model import Bundle
    from housing_ml.data.contract import Matrix

CHUNK = 2048
TRIES = 7


def parquet(table: pa.Table) -> bytes:
    """Return a table as Parquet."""
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


def microseconds(function: Callable[[], object], rows: int) -> float:
    """Return the least processor time of a call, per row."""
    times = []
    for _ in range(TRIES):
        started = time.process_time()
        function()
        times.append(time.process_time() - started)
    return min(times) * 1e6 / rows


def chunked(function: Callable[[Matrix], object], raw: Matrix) -> Callable[[], object]:
    """Return a call of the function on one chunk after the other, as the bundle makes them."""
    parts = [raw[start : start + CHUNK] for start in range(0, len(raw), CHUNK)]
    return lambda: [function(part) for part in parts]


def prediction_parts(bundle: Bundle, raw: Matrix) -> dict[str, float]:
    """Time what happens between a matrix of raw rows and prices with intervals."""
    features, rows = bundle.features, len(raw)
    nearest = NearestPoints(features.neighbours_.places)
    ordered = raw[similar_order(raw)]
    matrix = np.concatenate([features.transform(part) for part in np.array_split(ordered, 50)])
    scored = bundle.score(matrix)
    filling = microseconds(chunked(features.imputer_.fill, ordered), rows)
    asking = microseconds(
        chunked(lambda part: nearest.query(plane(part[:, :2]), COUNT), ordered), rows
    )
    whole = microseconds(chunked(features.transform, ordered), rows)
    return {
        "like rows together": microseconds(lambda: raw[similar_order(raw)], rows),
        "imputation": filling,
        "k-d tree": asking,
        "the other features": whole - filling - asking,
        "trees of price and spread": microseconds(lambda: bundle.score(matrix), rows),
        "bounds and interval": microseconds(lambda: bounded(*scored, bundle.manifest), rows),
    }


def request_parts(bundle: Bundle, table: pa.Table) -> dict[str, float]:
    """Time what a request of the table's rows needs."""
    rows, documents = len(table), table.to_pylist()
    request = msgspec.json.encode({"instances": documents})
    decoder = msgspec.json.Decoder(PredictionRequest)
    places: list[BlockGroup] = decoder.decode(request).instances
    raw = to_matrix(places)
    prediction = [column.tolist() for column in bundle.predict_matrix(raw)]

    def respond() -> PredictionResponse:
        priced = [
            PredictedPrice("id", price, PredictionInterval(lower, upper, 0.9), [], at_least=False)
            for price, lower, upper in zip(*prediction, strict=True)
        ]
        return PredictionResponse(priced, "1", "champion")

    answer = respond()
    return {
        "decode and check the JSON": microseconds(lambda: decoder.decode(request), rows),
        "block groups to a matrix": microseconds(lambda: to_matrix(places), rows),
        **prediction_parts(bundle, raw),
        "warnings": microseconds(lambda: bundle.warnings_for(raw), rows),
        "the response's objects": microseconds(respond, rows),
        "encode the JSON": microseconds(lambda: msgspec.json.encode(answer), rows),
    }


def file_parts(bundle: Bundle, table: pa.Table) -> dict[str, float]:
    """Time what a Parquet file of the table's rows needs."""
    rows, content = len(table), parquet(table)
    frame = {name: table.column(name).to_numpy() for name in COLUMNS}
    raw = to_matrix(frame)
    prices = bundle.predict_matrix(raw)._asdict()
    (batch,) = table.select(COLUMNS).combine_chunks().to_batches()
    chunk, added = ParquetChunk(batch, 0), [pa.array(values) for values in prices.values()]
    return {
        "read Parquet": microseconds(lambda: pq.read_table(io.BytesIO(content)), rows),
        "check the contract": microseconds(lambda: check(frame, COLUMNS), rows),
        "columns to a matrix": microseconds(lambda: to_matrix(frame), rows),
        **prediction_parts(bundle, raw),
        "write Parquet": microseconds(lambda: chunk.encode(tuple(prices), added), rows),
    }


def show(title: str, parts: dict[str, float]) -> None:
    """Print the parts and their sum."""
    print(f"\n{title} (microseconds of processor time per row)")
    for name, value in {**parts, "sum": sum(parts.values())}.items():
        print(f"  {name:28}{value:8.2f}")


def main() -> None:
    """Measure and print."""
    bundle = the_bundle()
    generator = np.random.default_rng(0)
    drawn = bundle.golden.raw[generator.integers(0, ORDINARY, 100_000)]
    table = make_table(drawn, generator)
    show("1,000 rows in a request", request_parts(bundle, table[:1000]))
    show("100,000 rows in a file", file_parts(bundle, table))


if __name__ == "__main__":
    main()
