"""The service beside its framework's ceiling and a blog-style service, in one run.

    python benchmarks/serving.py [--seconds 3] [--rounds 5] [--data housing.csv]

Every server has one worker in a process of its own; the load comes from this process. The servers
take turns in each round, so that other load on the machine meets them alike, and what is printed
is the median of the rounds. Without `--data` the models are trained on the synthetic sample.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import threading
import urllib.request
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd
import uvloop

from benchmarks import blog_service, breakdown, load
from benchmarks.champions import body, promote, publish, train_bundle
from benchmarks.server import Server
from housing_ml.data.contract import COLUMNS, TARGET, to_matrix
from housing_ml.data.synthetic import generate
from serve.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from housing_ml.bundle.model import Bundle
    from housing_ml.releases.records import Release

CONNECTIONS = 16
MANY_ROWS = 1000
RELOAD_SECONDS = 0.2
PREDICT = "/api/v1/predict"


class Sizes(NamedTuple):
    """How long and how often each measurement is made."""

    seconds: float
    rounds: int


class Target(NamedTuple):
    """A running server and the request that it is asked."""

    name: str
    server: Server
    request: bytes

    def ask(self, connections: int, seconds: float) -> load.LoadResult:
        """Load it for some seconds."""
        port = self.server.port
        return uvloop.run(load.run("127.0.0.1", port, self.request, connections, seconds))


class Round(NamedTuple):
    """One server's results in one round."""

    many: load.LoadResult
    single: load.LoadResult
    cpu_microseconds: float


def main() -> None:
    """Train, measure and print."""
    os.environ["OMP_NUM_THREADS"] = "1"
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--data", type=Path)
    options = parser.parse_args()
    sizes = Sizes(options.seconds, options.rounds)
    print(f"Load of the machine before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n")
    frame = pd.read_csv(options.data) if options.data else generate()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        bundles = [train_bundle(frame, seed) for seed in (42, 43)]
        releases = [publish(home, bundle, str(bundle.manifest.seed)) for bundle in bundles]
        promote(home, releases[0])
        print_breakdown(bundles[0], frame, home)
        with service(home) as server:
            compare(frame, server, home, sizes)
            many_rows(Target("service", server, load.post(PREDICT, body(frame, MANY_ROWS))), sizes)
        with service(home, poll_seconds="0.05") as server:
            swaps(
                Target("service", server, load.post(PREDICT, body(frame, 1))), home, releases, sizes
            )


def service(home: Path, **settings: str) -> Server:
    """Start the service on `home`."""
    given = {f"HOUSING_SERVE_{name.upper()}": value for name, value in settings.items()}
    places = {"HOUSING_HOME": str(home), "HOUSING_SERVE_PORT": "{port}"}
    return Server([sys.executable, "-m", "serve"], places | given)


def rival(module: str, **environment: str) -> Server:
    """Start one of the services that this one is compared with."""
    command = [sys.executable, "-m", "uvicorn", "--factory", f"benchmarks.{module}:create_app"]
    quiet = ["--no-access-log", "--log-level", "warning", "--port", "{port}"]
    return Server([*command, *quiet], environment, ready="/health")


def print_breakdown(bundle: Bundle, frame: pd.DataFrame, home: Path) -> None:
    """Print the parts of a request."""
    request, rows = body(frame, 1), to_matrix(frame[:1000])
    parts = breakdown.measure_parts(bundle, rows, request, home / "breakdown")
    settings = Settings(
        releases=str(home / "storage" / "releases"), state=home / "app", log_level="error"
    )
    whole = uvloop.run(breakdown.measure_app(settings, PREDICT, request))
    print("Where the time of a request goes (microseconds, median)")
    for name, value in parts.items():
        print(f"  {name:34}{value:8.1f}")
    print(f"  {'Litestar, headers, id, cold caches':34}{whole - sum(parts.values()):8.1f}")
    print(f"  {'the whole app, without a socket':34}{whole:8.1f}")
    verdict("features, one row", parts["features"], "us", most=80)
    verdict("trees, one row", parts["trees"], "us", most=25)


def compare(frame: pd.DataFrame, server: Server, home: Path, sizes: Sizes) -> None:
    """Print requests per second and latencies of all three, one block group per request."""
    request = body(frame, 1)
    model = home / "blog.joblib"
    blog_service.fit(frame[list(COLUMNS)], frame[TARGET], str(model))
    with (
        rival("ceiling") as constant,
        rival("blog_service", **{blog_service.MODEL_FILE: str(model)}) as blog,
    ):
        targets = [
            Target("ceiling", constant, load.post("/predict", request)),
            Target("service", server, load.post(PREDICT, request)),
            Target("blog", blog, load.post("/predict", request[len(b'{"instances":[') : -2])),
        ]
        for target in targets:
            target.ask(CONNECTIONS, 1.0)
        rounds = [
            {target.name: measure(target, sizes) for target in targets} for _ in range(sizes.rounds)
        ]
        print(
            f"\n{'':9}{'req/s':>8}{'p50 ms':>8}{'p99 ms':>8}{'1: p50':>8}{'1: p99':>8}"
            f"{'CPU us':>8}{'start s':>8}{'MB':>6}{'errors':>8}"
        )
        for target in targets:
            print_row(target, [one[target.name] for one in rounds])
    print_verdicts(rounds, server)


def measure(target: Target, sizes: Sizes) -> Round:
    """Load one server with many connections and then with one."""
    before = target.server.cpu_seconds
    many = target.ask(CONNECTIONS, sizes.seconds)
    cpu = (target.server.cpu_seconds - before) / len(many.latencies)
    return Round(many, target.ask(1, sizes.seconds / 2), cpu * 1e6)


def print_row(target: Target, rounds: list[Round]) -> None:
    """Print the medians of one server."""
    figures = (
        median(one.many.requests_per_second for one in rounds),
        *(median(one.many.percentile(share) for one in rounds) for share in (0.5, 0.99)),
        *(median(one.single.percentile(share) for one in rounds) for share in (0.5, 0.99)),
    )
    print(
        f"{target.name:9}{figures[0]:8,.0f}"
        + "".join(f"{value:8.2f}" for value in figures[1:])
        + f"{median(one.cpu_microseconds for one in rounds):8.0f}"
        f"{target.server.seconds_to_ready:8.2f}{target.server.resident_megabytes:6.0f}"
        f"{sum(one.many.errors + one.single.errors for one in rounds):8}"
    )


def print_verdicts(rounds: list[dict[str, Round]], server: Server) -> None:
    """Print what the comparison was made for."""

    def ratio(other: str, figure: Callable[[Round], float]) -> float:
        return median(figure(one["service"]) / figure(one[other]) for one in rounds)

    verdict(
        "times the blog's requests",
        ratio("blog", lambda one: one.many.requests_per_second),
        "x",
        least=150,
    )
    share = ratio("ceiling", lambda one: one.many.requests_per_second)
    verdict("share of the ceiling's requests", 100 * share, "%", least=40)
    verdict(
        "p99 at one connection, of the ceiling's",
        ratio("ceiling", lambda one: one.single.percentile(0.99)),
        "x",
        most=3,
    )
    verdict("start to first answer", server.seconds_to_ready, "s", most=2)
    verdict("resident memory", server.resident_megabytes, "MB", most=200)


def many_rows(target: Target, sizes: Sizes) -> None:
    """Print rows per second with a thousand block groups in each request."""
    results = [target.ask(4, sizes.seconds) for _ in range(sizes.rounds)]
    rates = [MANY_ROWS * result.requests_per_second for result in results]
    print(
        f"\n{MANY_ROWS:,} block groups per request, 4 connections: "
        f"p50 {median(result.percentile(0.5) for result in results):.1f} ms, "
        f"errors {sum(result.errors for result in results)}"
    )
    verdict("rows per second", median(rates), "", least=200_000)
    verdict("resident memory then", target.server.resident_megabytes, "MB", most=200)


def swaps(target: Target, home: Path, releases: list[Release], sizes: Sizes) -> None:
    """Print the latencies at full load while the model is replaced again and again."""
    target.ask(CONNECTIONS, 1.0)
    calm, busy = [], []
    before = loaded(target.server)
    for _ in range(sizes.rounds):
        calm.append(target.ask(CONNECTIONS, sizes.seconds))
        stop = threading.Event()
        promoter = threading.Thread(target=_promote_in_turn, args=(home, releases, stop))
        promoter.start()
        busy.append(target.ask(CONNECTIONS, sizes.seconds))
        stop.set()
        promoter.join()
    each = (loaded(target.server) - before) / sizes.rounds
    print(
        f"\nA promotion every {1000 * RELOAD_SECONDS:.0f} ms at full load: "
        f"{each:.0f} reloads in each {sizes.seconds:.0f} s"
    )
    for name, results in (("undisturbed", calm), ("reloading", busy)):
        print(
            f"  {name:12}{median(result.requests_per_second for result in results):8,.0f} req/s, "
            f"p99 {median(result.percentile(0.99) for result in results):.2f} ms"
        )
    verdict("errors", sum(result.errors for result in busy), "", most=0)
    pairs = zip(calm, busy, strict=True)
    worst = median(after.percentile(0.99) / first.percentile(0.99) for first, after in pairs)
    verdict("p99 while reloading, of the undisturbed", worst, "x", most=2)


def _promote_in_turn(home: Path, releases: list[Release], stop: threading.Event) -> None:
    turn = 0
    while not stop.wait(RELOAD_SECONDS):
        turn += 1
        promote(home, releases[turn % 2])


def loaded(server: Server) -> float:
    """Return how many models the server has loaded."""
    with urllib.request.urlopen(f"{server.url}/metrics") as answer:  # noqa: S310 - our own server
        for line in answer.read().decode().splitlines():
            if line.startswith('housing_model_reloads_total{outcome="loaded"}'):
                return float(line.rpartition(" ")[2])
    return 0.0


def verdict(
    name: str, value: float, unit: str, *, least: float | None = None, most: float | None = None
) -> None:
    """Print a figure beside its target."""
    good = (least is None or value >= least) and (most is None or value <= most)
    limit = f"at least {least:,g}" if least is not None else f"at most {most:,g}"
    print(f"  {'ok  ' if good else 'MISS'} {name:42}{value:12,.2f} {unit:3} ({limit})")


if __name__ == "__main__":
    main()
