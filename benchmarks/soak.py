"""A million requests: memory and descriptors of the service stay where they were.

    python -m benchmarks.soak [--requests 1000000]

Small and large requests, refused ones, explanations and health checks, on 16 connections.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import uvloop

from benchmarks import load
from benchmarks.champions import body, promote, publish, train_bundle
from benchmarks.server import Server
from housing_ml.data.synthetic import generate

_TURN_SECONDS = 2.0


def main() -> None:
    """Load, and print what the service holds after each tenth."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=1_000_000)
    options = parser.parse_args()
    frame = generate()
    predict = "/api/v1/predict"
    kinds = {
        "one": load.post(predict, body(frame, 1)),
        "hundred": load.post(predict, body(frame, 100)),
        "refused": load.post(predict, b'{"instances": [{}]}'),
        "explained": load.post("/api/v1/explain", body(frame, 1)),
        "nowhere": load.post("/nowhere", b"{}"),
    }
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        promote(home, publish(home, train_bundle(frame, 42), "1"))
        places = {"HOUSING_HOME": folder, "HOUSING_SERVE_PORT": "{port}"}
        with Server([sys.executable, "-m", "serve"], places) as server:
            soak(server, kinds, options.requests)


def soak(server: Server, kinds: dict[str, bytes], requests: int) -> None:
    """Ask in turns; one block group per request most of the time."""
    print(f"{'requests':>10}{'MB':>8}{'descriptors':>13}{'broken':>8}{'5xx':>6}")
    done = broken = faults = 0
    others = [name for name in kinds if name != "one"]
    shown, turn = 0, 0
    while done < requests:
        name, seconds = ("one", _TURN_SECONDS) if turn % 2 == 0 else (others[turn // 2 % 4], 0.3)
        found = uvloop.run(load.run("127.0.0.1", server.port, kinds[name], 16, seconds))
        turn += 1
        done += len(found.latencies)
        broken += found.broken_connections
        faults += sum(count for status, count in found.statuses.items() if status >= 500)
        if done >= shown:
            shown += requests // 10
            held = len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))
            print(
                f"{done:>10,}{server.resident_megabytes:>8.1f}{held:>13}{broken:>8}{faults:>6}",
                flush=True,
            )


if __name__ == "__main__":
    main()
