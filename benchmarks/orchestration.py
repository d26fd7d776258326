"""What a retrain costs when nothing is left to do, beside a flow of as many empty tasks.

    python benchmarks/orchestration.py [REPEATS]

All run in turns on one Prefect server that this starts, on SQLite, with everything of the retrain
cached: once with its storage in a folder, once in a bucket of an emulator on loopback, in a process
of its own. Beside each are as many empty tasks whose results are cached there: what the block of
that storage takes, which prefect-gcp's spends on a client, a token and a look at the bucket for
each object. The first retrain, on made-up data, fills the cache and is not counted. A server writes
down for seconds what a run told it: each run starts when that of the one before is done.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from contextlib import contextmanager
from functools import partial
from multiprocessing import Pipe, get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from google.auth.credentials import CredentialsWithRegionalAccessBoundary
from prefect import Flow, flow, task
from prefect.cache_policies import INPUTS
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_SERVER_DATABASE_CONNECTION_URL,
    temporary_settings,
)
from prefect_gcp import GcpCredentials, GcsBucket

from flows.retrain import retrain
from housing_ml.config.retrain import RetrainConfig
from housing_ml.orchestration.runs import result_storage, session
from housing_ml.settings import Settings
from tests.integration.gcs_emulator import BUCKET, emulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection

REST_SECONDS = 4.0

TASKS = 11
"""The ten stages of a retrain, and its report."""

CONFIG = RetrainConfig.model_validate(
    {
        "data": {"synthetic": True},
        "imputation": {"candidates": ["median"], "repeats": 1},
        "features": {"cluster_candidates": [0], "folds": 2},
        "selection": {"folds": 2, "candidates": [{"model": "ridge"}]},
        "sweep": {"trials": 0},
        "training": {"folds": 2},
        "evaluation": {"bootstrap_samples": 100},
        "gate": {
            "max_rmse": 1e9,
            "min_r2": -1e9,
            "max_mape": 1e9,
            "coverage_tolerance": 0.5,
            "max_cod": 1e9,
            "max_prd": 1e9,
            "max_prb": 1e9,
        },
    }
)


@task(persist_result=False)
def nothing(number: int) -> int:
    """Return what it was given."""
    return number


@task(persist_result=True, cache_policy=INPUTS)
def nothing_cached(number: int) -> int:
    """Return what it was given, when it was first given."""
    return number


@flow(name="empty", persist_result=False)
def empty() -> None:
    """Run as many tasks as a retrain does."""
    for number in range(TASKS):
        nothing(number)


@flow(name="empty-cached", persist_result=False)
def empty_cached() -> None:
    """Find the results of as many tasks, which is what Prefect's own blocks take of a retrain."""
    for number in range(TASKS):
        nothing_cached(number)


def seconds(run: Callable[[], Any]) -> float:
    """Return how long it takes."""
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def _emulate(pipe: Connection) -> None:
    with emulator() as running:
        pipe.send((running.url, running.service_account))
        pipe.recv()


@contextmanager
def emulated() -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the address of an emulator in a process of its own, and an account that it takes."""
    here, there = Pipe()
    process = get_context("spawn").Process(target=_emulate, args=(there,))
    process.start()
    try:
        yield here.recv()
    finally:
        here.send("done")
        process.join()


@contextmanager
def bucket() -> Iterator[str]:
    """Yield the name of a block whose bucket is an emulator's."""
    outside = "_is_regional_access_boundary_lookup_required"  # an outside host, for each account
    setattr(CredentialsWithRegionalAccessBoundary, outside, lambda _: False)
    with emulated() as (url, account):
        os.environ["STORAGE_EMULATOR_HOST"] = url
        credentials: Any = GcpCredentials(service_account_info=account)
        block = GcsBucket(bucket=BUCKET, gcp_credentials=credentials, bucket_folder="benchmark")
        block.save("benchmark", overwrite=True)
        yield "gcs-bucket/benchmark"


def stored(flow: Flow[..., Any], home: Path, block: str) -> Callable[..., Any]:
    """Return a call of the flow with its storage in a block; empty: in the home folder."""

    def run(*args: Any) -> None:
        os.environ["HOUSING_HOME"], os.environ["HOUSING_STORAGE_BLOCK"] = str(home), block
        flow.with_options(result_storage=result_storage(Settings()))(*args)

    return run


def compare(folder: Path, repeats: int) -> None:
    """Print the median of each, and how many times the empty flow's it is."""
    with bucket() as block:
        runs: dict[str, Callable[[], Any]] = {
            "empty tasks": empty,
            "cached, folder": stored(empty_cached, folder, ""),
            "retrain, folder": partial(stored(retrain, folder, ""), CONFIG),
            "cached, bucket": stored(empty_cached, folder, block),
            "retrain, bucket": partial(stored(retrain, folder, block), CONFIG),
        }
        for run in runs.values():
            run()
            run()
        found = {name: [] for name in runs}
        for _ in range(repeats):
            for name, run in runs.items():
                time.sleep(REST_SECONDS)
                found[name].append(seconds(run))
    medians = {name: statistics.median(times) for name, times in found.items()}
    print(f"{TASKS} tasks, median of {repeats} runs in turns")
    for name, median in medians.items():
        ratio = median / medians["empty tasks"]
        print(f"{name:20}{median:8.3f} s{ratio:8.2f} times{min(found[name]):8.3f} s at best")


def main() -> None:
    """Measure on a server and in folders of its own."""
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    os.environ["WANDB_MODE"] = "disabled"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.chdir(folder)
        database = f"sqlite+aiosqlite:///{folder / 'prefect.db'}"
        settings = {PREFECT_API_URL: None, PREFECT_SERVER_DATABASE_CONNECTION_URL: database}
        with temporary_settings(settings), session():
            compare(folder, repeats)


if __name__ == "__main__":
    main()
