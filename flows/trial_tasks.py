"""The trials of a sweep as Prefect tasks on a Dask cluster."""

from __future__ import annotations

import pickle
from contextlib import contextmanager
from contextvars import copy_context
from typing import TYPE_CHECKING

from prefect import task
from prefect.cache_policies import NO_CACHE

from housing_ml.config.choices import Parameters
from housing_ml.modelling.sweep.workers import run_pickled
from housing_ml.orchestration.dask_cluster import dask_runner
from housing_ml.records.sweep import Trial

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from housing_ml.modelling.sweep.objective import Objective
    from housing_ml.modelling.sweep.trials import Evaluate


@task(name="trial", task_run_name="trial {number}", cache_policy=NO_CACHE, persist_result=False)
def run_trial_task(
    pickled: bytes, number: int, parameters: Parameters, limits: tuple[float, ...]
) -> Trial:
    """Run a trial on whichever machine of the cluster; a worker that dies has it run again."""
    return run_pickled(pickled, number, parameters, limits)


@contextmanager
def dask_workers(objective: Objective, scheduler: str) -> Iterator[Evaluate]:
    """Yield what runs a trial as a task of the current flow run.

    Args:
        objective: what to lower.
        scheduler: of the cluster, as `dask_runner` takes it.

    Raises:
        ClusterError: when there is no cluster.
    """
    pickled = pickle.dumps(objective)
    with dask_runner(scheduler, objective.config.workers) as runner:
        context = copy_context()  # of the flow run, which the threads of a sweep do not have

        def evaluate(number: int, parameters: Parameters, limits: Sequence[float]) -> Trial:
            arguments = {
                "pickled": pickled,
                "number": number,
                "parameters": parameters,
                "limits": tuple(limits),
            }
            future = context.copy().run(runner.submit, run_trial_task, arguments)
            result: Trial = future.result()
            return result

        yield evaluate
