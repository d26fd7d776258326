"""Price files of any size with the model of a release channel.

Each file of the source is a task of its own. On one machine they run one after another, since one
file keeps all cores busy; where `HOUSING_DASK_SCHEDULER` names a Dask cluster, they are shared out
among its workers.
"""

from __future__ import annotations

import os
import time
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any

import msgspec
from prefect import flow, task, unmapped
from prefect.task_runners import ThreadPoolTaskRunner

from flows import scored
from flows.naming import run_name
from housing_ml import progress
from housing_ml.bundle import memory
from housing_ml.bundle.batch_scoring import ScoreReport, claim, score_file
from housing_ml.bundle.model import Bundle
from housing_ml.orchestration.dask_cluster import dask_runner
from housing_ml.orchestration.failures import forget_exception
from housing_ml.orchestration.runs import session
from housing_ml.releases.channels import fetch_bundle, open_releases, read_channels
from housing_ml.releases.records import Channel, Release
from housing_ml.reporting.artifacts import show_summary
from housing_ml.reporting.lead import lead, operators_page, version_page
from housing_ml.settings import Settings
from housing_ml.storage.errors import ReleaseError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    from prefect.task_runners import TaskRunner


@task(task_run_name="score {file}", retries=1, persist_result=False)
def score_one(file: str, source: str, target: str, digest: str) -> ScoreReport:
    """Price one file with the published bundle of that digest; finished parts are kept."""
    memory.keep_freed()
    settings = Settings()
    files = fetch_bundle(open_releases(settings), digest)
    bundle = Bundle(files, same_code=settings.require_same_code)
    return score_file(file, source, target, bundle)


def _machines() -> AbstractContextManager[TaskRunner[Any]]:
    scheduler = Settings().dask_scheduler
    if scheduler is None:
        return ThreadPoolTaskRunner(max_workers=1)
    return dask_runner(scheduler, workers=os.cpu_count() or 1)


@flow(name="score", persist_result=False, flow_run_name=run_name, on_failure=[forget_exception])
def score(source: str, target: str, channel: Channel = "champion") -> ScoreReport:
    """Price every row of a CSV or Parquet file, or of a folder of them.

    Args:
        source: Path or gs:// address of a .csv or .parquet file, or of a folder of them.
        target: Folder for the results: a new one, or that of a run that was stopped.
        channel: Release channel whose model is used.
    """
    started = time.perf_counter()
    release = _release(channel)
    digest = release.bundle
    files = claim(source, target, digest)
    progress.stage("score")
    one: Any = score_one  # Prefect's own types do not fit here
    with _machines() as machines:
        given = {
            "file": [*files],
            "source": unmapped(source),
            "target": unmapped(target),
            "digest": unmapped(digest),
        }
        running = machines.map(one, given)
        sizes = [*files.values()]
        found = [each.result() for each in progress.steps(running, "file", sizes)]
    report = reduce(add, found, ScoreReport(target))
    report = msgspec.structs.replace(report, seconds=time.perf_counter() - started)
    _show(dict(zip(files, found, strict=True)), report, release)
    return report


def run_score(
    source: str, target: str, channel: Channel = "champion", *, verbose: bool = False
) -> ScoreReport:
    """Run the flow from a program: on the configured Prefect server, or on one of its own."""
    with session(verbose=verbose):
        return score(source, target, channel)


def _show(reports: Mapping[str, ScoreReport], report: ScoreReport, release: Release) -> None:
    settings = Settings()
    links = {
        **operators_page(settings),
        **version_page(settings, release.registered_name, release.version),
    }
    begins = lead(scored.sentence(report, release), scored.picture(reports), links)
    show_summary(scored.summary(reports, report), begins)


def _release(channel: Channel) -> Release:
    channels, _ = read_channels(open_releases(Settings()))
    found = channels.channels.get(channel)
    if found is None:
        raise ReleaseError(f"the channel {channel} is empty: train a model with `housing retrain`")
    return found
