"""Where the time of a request goes, measured part by part inside one process.

Each figure is the median of many calls, in microseconds, for a request of one block group.
"""

from __future__ import annotations

import statistics
import time
from itertools import cycle
from typing import TYPE_CHECKING, Any

import msgspec

from housing_ml.bundle.model import bounded
from housing_ml.data.contract import to_matrix
from serve.api.request_errors import may_repeat_keys
from serve.app import create_app
from serve.prediction_log.log import PredictionLog
from serve.prediction_log.segments import Entry
from serve.schemas import (
    PredictedPrice,
    PredictionInterval,
    PredictionRequest,
    PredictionResponse,
)
from serve.settings import Settings
from serve.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from housing_ml.bundle.model import Bundle
    from housing_ml.data.contract import Matrix

REPEATS = 3000


def microseconds(function: Callable[[], object]) -> float:
    """Return the median time of a call."""
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter_ns()
        function()
        times.append(time.perf_counter_ns() - started)
    return statistics.median(times) / 1000


def measure_parts(bundle: Bundle, rows: Matrix, body: bytes, folder: Path) -> dict[str, float]:
    """Time what a request of one block group needs, each part alone.

    Features and trees take another one of `rows` each time: the same row again would find the
    processor's caches and its guesses of branches just right.
    """
    decoder = msgspec.json.Decoder(PredictionRequest)
    metrics = Metrics()
    log = PredictionLog(Settings(state=folder), lambda *_: None, metrics)
    places = decoder.decode(body).instances
    raw = to_matrix(places)
    matrix = bundle.features.transform(rows)
    row = cycle(rows[index : index + 1] for index in range(len(rows)))
    scorable = cycle(matrix[index : index + 1] for index in range(len(rows)))
    scored = bundle.score(matrix[:1])
    prediction = bounded(*scored, bundle.manifest)
    price, lower, upper = (column.tolist()[0] for column in prediction)

    def respond() -> PredictionResponse:
        interval = PredictionInterval(lower, upper, 0.9)
        return PredictionResponse(
            [PredictedPrice("id", price, interval, [], at_least=False)], "1", "champion"
        )

    def count() -> None:
        metrics.predicted("1", "champion", prediction.price)
        metrics.answered("/api/v1/predict", 200, 0.001)

    answer = respond()
    return {
        "decode and check the JSON": microseconds(
            lambda: may_repeat_keys(body, decoder.decode(body).instances)
        ),
        "block groups to a matrix": microseconds(lambda: to_matrix(places)),
        "features": microseconds(lambda: bundle.features.transform(next(row))),
        "trees": microseconds(lambda: bundle.score(next(scorable))),
        "bounds and interval": microseconds(lambda: bounded(*scored, bundle.manifest)),
        "warnings": microseconds(lambda: bundle.warnings_for(raw)),
        "the response's objects": microseconds(respond),
        "prediction log": microseconds(
            lambda: log.offer(Entry.of("1", "champion", ["id"], raw, prediction))
        ),
        "metrics": microseconds(count),
        "encode the JSON": microseconds(lambda: msgspec.json.encode(answer)),
    }


async def measure_app(settings: Settings, path: str, body: bytes) -> float:
    """Return the median microseconds of the whole app for one request, without a socket."""
    app = create_app(settings)
    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
        "scheme": "http",
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
        "http_version": "1.1",
        "root_path": "",
    }
    statuses = set()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        statuses.add(message.get("status", 200))

    times = []
    async with app.lifespan():
        for _ in range(REPEATS):
            started = time.perf_counter_ns()
            await app(scope | {"state": {}}, receive, send)
            times.append(time.perf_counter_ns() - started)
    if statuses != {200}:
        raise RuntimeError(f"the app answered {statuses}")
    return statistics.median(times) / 1000
