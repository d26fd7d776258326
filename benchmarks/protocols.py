"""The service on each HTTP server that was weighed, side by side: what a protocol layer costs.

    python benchmarks/protocols.py [--seconds 2] [--rounds 5]

One worker each, 16 connections, one block group per request; the servers take turns in each round.
granian and hypercorn take part where they are installed. Then each is asked by clients that take
without giving: what ends them, and when.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import uvloop

from benchmarks import load
from benchmarks.champions import body, promote, publish, train_bundle
from benchmarks.limits import probe
from benchmarks.server import Server
from housing_ml.data.synthetic import generate

CONNECTIONS = 16
_APP = "serve.app:create_app"
_UVICORN = [sys.executable, "-m", "uvicorn", "--factory", _APP, "--port", "{port}"]
_QUIET = ["--no-access-log", "--log-level", "warning", "--loop", "uvloop"]
_GRANIAN = ["granian", "--interface", "asgi", "--factory", "--port", "{port}", "--loop", "uvloop"]
SERVERS = {
    "ours": [sys.executable, "-m", "serve"],
    "httptools": [*_UVICORN, *_QUIET, "--http", "httptools"],
    "h11": [*_UVICORN, *_QUIET, "--http", "h11"],
    "granian": [sys.executable, "-m", *_GRANIAN, _APP],
    "hypercorn": [
        *(sys.executable, "-m", "hypercorn", "--worker-class", "uvloop"),
        *("--bind", "127.0.0.1:{port}", f"{_APP}()"),
    ],
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    frame = generate()
    request = load.post("/api/v1/predict", body(frame, 1))
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        home = Path(folder)
        promote(home, publish(home, train_bundle(frame, 42), "1"))
        places = {"HOUSING_HOME": str(home), "HOUSING_SERVE_PORT": "{port}", "OMP_NUM_THREADS": "1"}
        servers = {
            name: stack.enter_context(Server(command, places))
            for name, command in SERVERS.items()
            if name not in {"granian", "hypercorn"} or importlib.util.find_spec(name)
        }
        with ThreadPoolExecutor() as pool:
            limits = dict(
                zip(
                    servers,
                    pool.map(probe, [server.port for server in servers.values()]),
                    strict=True,
                )
            )
        results: dict[str, list[load.LoadResult]] = {name: [] for name in servers}
        for _ in range(options.rounds):
            for name, server in servers.items():
                asked = load.run("127.0.0.1", server.port, request, CONNECTIONS, options.seconds)
                results[name].append(uvloop.run(asked))
    print(f"{'server':12}{'req/s':>8}{'p50 ms':>8}{'p99 ms':>8}{'errors':>8}")
    for name, found in results.items():
        rate = median(one.requests_per_second for one in found)
        times = [median(one.percentile(share) for one in found) for share in (0.5, 0.99)]
        errors = sum(one.errors for one in found)
        print(f"{name:12}{rate:8,.0f}{times[0]:8.2f}{times[1]:8.2f}{errors:8}")
    for name, seen in limits.items():
        print(f"{name:12}{seen}")


if __name__ == "__main__":
    main()
