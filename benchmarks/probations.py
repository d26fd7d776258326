"""What a canary and a shadow cost: memory, requests per second, latency; and that it comes back.

    python benchmarks/probations.py [--seconds 3] [--data housing.csv]

One worker, 16 connections, one block group per request. Models are of production size.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd
import uvloop

from benchmarks import load
from benchmarks.champions import body, promote, publish, train_bundle
from benchmarks.serving import service
from housing_ml.data.synthetic import generate
from housing_ml.releases.channels import record_release
from housing_ml.rollout.canary import start_canary, start_shadow, stop
from housing_ml.storage.versioned import LocalReleases

if TYPE_CHECKING:
    from benchmarks.server import Server

CONNECTIONS = 16
SHARE = 0.1
SETTLE_SECONDS = 3.0
MOST_MEGABYTES = 200


class Bench(NamedTuple):
    """A running service, its releases, and the request that it is asked."""

    server: Server
    releases: LocalReleases
    request: bytes
    seconds: float

    def measure(self, name: str) -> float:
        """Print a line about the service as it is now; return its memory in megabytes."""
        time.sleep(SETTLE_SECONDS)
        found = uvloop.run(
            load.run("127.0.0.1", self.server.port, self.request, CONNECTIONS, self.seconds)
        )
        megabytes = self.server.resident_megabytes
        print(
            f"{name:34}{found.requests_per_second:8,.0f}{found.percentile(0.5):8.2f}"
            f"{found.percentile(0.99):8.2f}{megabytes:8.1f}{found.errors:8}",
            flush=True,
        )
        return megabytes


def main() -> None:
    """Train, measure and print."""
    os.environ["OMP_NUM_THREADS"] = "1"
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--data", type=Path)
    options = parser.parse_args()
    frame = pd.read_csv(options.data) if options.data else generate()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        bundles = [train_bundle(frame, seed) for seed in (42, 43, 44)]
        found = [publish(home, bundle, str(bundle.manifest.seed)) for bundle in bundles]
        releases = LocalReleases(home / "storage" / "releases")
        for release in found:
            record_release(releases, release)
        promote(home, found[0])
        request = load.post("/api/v1/predict", body(frame, 1))
        with service(home) as server:
            measure(Bench(server, releases, request, options.seconds))


def measure(bench: Bench) -> None:
    """Start and end probations, and print what each costs."""
    print(f"{'':34}{'req/s':>8}{'p50 ms':>8}{'p99 ms':>8}{'MB':>8}{'errors':>8}")
    bench.measure("champion, first use")
    alone = bench.measure("champion")
    start_canary(bench.releases, "43", SHARE, why="benchmark", by="benchmark")
    bench.measure(f"and a canary at {SHARE:.0%}")
    start_shadow(bench.releases, "44", why="benchmark", by="benchmark")
    most = bench.measure("and a shadow")
    stop(bench.releases, "canary", why="benchmark", by="benchmark")
    bench.measure("and a shadow, no canary")
    stop(bench.releases, "shadow", why="benchmark", by="benchmark")
    after = bench.measure("champion again")
    for turn in range(1, 6):
        start_canary(bench.releases, "43", SHARE, why="benchmark", by="benchmark")
        time.sleep(SETTLE_SECONDS)
        stop(bench.releases, "canary", why="benchmark", by="benchmark")
        after = bench.measure(f"champion after {turn} more canaries")
    verdict = "ok" if most < MOST_MEGABYTES else "MISSED"
    print(f"three models at once: {most:.0f} MB, at most {MOST_MEGABYTES}: {verdict}")
    print(f"kept after all probations: {after - alone:+.1f} MB of {most - alone:.1f}")


if __name__ == "__main__":
    main()
