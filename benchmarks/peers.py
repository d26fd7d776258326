"""The service beside two that people use, at rates that do not wait for an answer.

    python -m benchmarks.peers [--seconds 5] [--mlserver PYTHON]

The same model answers the same block group in `mlflow models serve`, and its scikit-learn pipeline
in MLServer where `PYTHON` is an interpreter that has mlserver, mlserver-sklearn and this project's
libraries. One worker each, one at a time. Latencies count from when a request was due. A server
that computes nothing shows what the machine itself makes of them.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import mlflow.pyfunc
import uvloop

from benchmarks import load, open_loop
from benchmarks.champions import body, promote, publish, train_bundle
from benchmarks.server import Server
from benchmarks.serving import rival
from housing_ml.data.contract import COLUMNS, to_matrix
from housing_ml.data.synthetic import generate
from housing_ml.registry import served_model

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from housing_ml.bundle.model import Bundle

RATES = (500, 1_000, 2_000)
P99_MILLISECONDS = 5.0
_HIGHEST = 32_000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--mlserver", metavar="PYTHON")
    options = parser.parse_args()
    frame = generate()
    row, bundle = body(frame, 1), train_bundle(frame, 42)
    print(f"{'':22}{''.join(f'{rate:>14}/s' for rate in RATES)}   highest with p99 < 5 ms")
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        promote(home, publish(home, bundle, "1"))
        places = {"HOUSING_HOME": folder, "HOUSING_SERVE_PORT": "{port}"}
        with rival("ceiling") as server:
            show("a constant answer", server, load.post("/predict", row), options.seconds)
        quick = load.post("/api/v1/predict", row)
        with Server([sys.executable, "-m", "serve"], places) as server:
            show("this service", server, quick, options.seconds)
        with mlflow_server(bundle, home / "mlflow") as server:
            show("mlflow models serve", server, split(frame), options.seconds)
        if options.mlserver:
            with mlserver(options.mlserver, frame, home / "mlserver") as server:
                show("MLServer", server, tensors(frame), options.seconds)


def mlflow_server(bundle: Bundle, folder: Path) -> Server:
    """Start MLflow's own server on the model as the registry has it."""
    bundle.save(folder / "bundle")
    mlflow.pyfunc.save_model(
        folder / "model",
        python_model=served_model.__file__,
        artifacts={"bundle": str(folder / "bundle")},
        pip_requirements=[],
    )
    given = ["models", "serve", "--env-manager", "local", "--model-uri", str(folder / "model")]
    command = [sys.executable, "-m", "mlflow", *given, "--port", "{port}", "--workers", "1"]
    return Server(
        command, {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}, ready="/ping"
    )


def mlserver(python: str, frame: pd.DataFrame, folder: Path) -> Server:
    """Start MLServer on a pipeline that the interpreter itself fits."""
    folder.mkdir()
    frame.to_parquet(folder / "rows.parquet")
    root = str(Path(__file__).parents[1])
    fit = Server(
        [python, "-m", "benchmarks.mlserver_model", str(folder)], {"PYTHONPATH": root}, ready=""
    )
    fit.process.wait()
    settings = {"host": "127.0.0.1", "http_port": "{port}", "parallel_workers": 0}
    environment = {f"MLSERVER_{name.upper()}": str(value) for name, value in settings.items()}
    command = [str(Path(python).with_name("mlserver")), "start", str(folder)]
    return Server(command, environment | {"PYTHONPATH": root}, ready="/v2/health/ready")


def split(frame: pd.DataFrame) -> bytes:
    """Return the request of one block group as MLflow takes it."""
    rows = json.loads(frame[list(COLUMNS)].head(1).to_json(orient="split", index=False))
    return load.post("/invocations", json.dumps({"dataframe_split": rows}).encode())


def tensors(frame: pd.DataFrame) -> bytes:
    """Return the same as the Open Inference Protocol takes it: a row of numbers, kind as code."""
    row = to_matrix(frame.head(1))
    tensor = {
        "name": "row",
        "shape": list(row.shape),
        "datatype": "FP64",
        "data": row.ravel().tolist(),
    }
    path = "/v2/models/housing/infer"
    return load.post(path, json.dumps({"inputs": [tensor]}).encode())


def show(name: str, server: Server, request: bytes, seconds: float) -> None:
    """Print a server's p99 at each rate, and the highest rate with a p99 under 5 ms."""

    def at(rate: float) -> load.LoadResult:
        return uvloop.run(open_loop.run("127.0.0.1", server.port, request, rate, seconds))

    at(50)
    found = [at(rate) for rate in RATES]
    if found[0].statuses.keys() - {200}:
        raise SystemExit(f"{name} answers {dict(found[0].statuses)}: {server.output[-2000:]}")
    cells = (f"{_p99(one):>12.1f} ms" for one in found)
    print(f"{name:22}{' '.join(cells)} {highest(at):>8,.0f} requests/s", flush=True)


def highest(at: Callable[[float], load.LoadResult]) -> float:
    """Return the highest rate, to a tenth, at which 99 of 100 answers come within 5 ms."""
    low, high = 10.0, float(_HIGHEST)
    while high > 1.1 * low:
        middle = (low * high) ** 0.5
        good = _p99(at(middle)) < P99_MILLISECONDS
        low, high = (middle, high) if good else (low, middle)
    return low


def _p99(result: load.LoadResult) -> float:
    return float("inf") if result.errors else result.percentile(0.99)


if __name__ == "__main__":
    main()
