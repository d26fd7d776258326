"""Where trials run: in this process, or in several of its own that may die without harm."""

from __future__ import annotations

import os
import pickle
import signal
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import lru_cache, partial
from multiprocessing import get_context, parent_process
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, TypeAlias, cast

from housing_ml.modelling.sweep.trials import run_trial
from housing_ml.records.sweep import Trial

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from housing_ml.config.choices import Parameters
    from housing_ml.modelling.sweep.objective import Objective
    from housing_ml.modelling.sweep.trials import Evaluate

Workers: TypeAlias = "Callable[[Objective], AbstractContextManager[Evaluate]]"
"""Opens what runs an objective's trials."""

_ATTEMPTS = 3
_IMPORTED_ONCE = [
    "housing_ml.modelling.sweep.objective",
    "housing_ml.modelling.sweep.wandb_agent",
]


@contextmanager
def open_workers(objective: Objective) -> Iterator[Evaluate]:
    """Yield what runs a trial; as many threads may call it as the config has workers."""
    if objective.config.workers == 1:
        yield partial(run_trial, objective)
        return
    processes = _Processes(objective)
    try:
        yield processes.run
    finally:
        processes.close()


def run_pickled(
    pickled: bytes, number: int, parameters: Parameters, limits: Sequence[float]
) -> Trial:
    """Run a trial of a pickled objective, whose folds the process keeps for the next one."""
    return run_trial(load_objective(pickled), number, parameters, limits)


class _Processes:
    """A fixed number of processes; one that dies is replaced and its trial tried again."""

    def __init__(self, objective: Objective) -> None:
        self._pickled = pickle.dumps(objective)
        self._idle: SimpleQueue[ProcessPoolExecutor] = SimpleQueue()
        for _ in range(objective.config.workers):
            self._idle.put(start_process())

    def run(self, number: int, parameters: Parameters, limits: Sequence[float]) -> Trial:
        process = self._idle.get()
        try:
            for _ in range(_ATTEMPTS):
                try:
                    job = process.submit(run_pickled, self._pickled, number, parameters, limits)
                    return job.result()
                except BrokenProcessPool:
                    process.shutdown()
                    process = start_process()
        finally:
            self._idle.put(process)
        return Trial(
            number=number,
            parameters=parameters,
            state="failed",
            wmape=None,
            fold_wmapes=(),
            seconds=0,
            reason=f"its process died {_ATTEMPTS} times, perhaps for want of memory",
        )

    def close(self) -> None:
        while not self._idle.empty():
            self._idle.get().shutdown()


def start_process() -> ProcessPoolExecutor:
    """Return a process, started with its first job, in this process's environment.

    It is a fork of one that has imported what trials need, which takes seconds, and has done
    nothing yet; a fork of this process would inherit OpenMP's dead threads.
    """
    context = get_context("forkserver")
    context.set_forkserver_preload(_IMPORTED_ONCE)
    environment = cast("dict[str, str]", _Environment())
    return ProcessPoolExecutor(1, context, initializer=_begin, initargs=(environment,))


class _Environment:
    """The environment of this process when the other one is started, which is when it is told."""

    def __reduce__(self) -> tuple[type[dict[str, str]], tuple[dict[str, str]]]:
        """Become a dictionary on the other side."""
        return dict, (dict(os.environ),)


def _begin(environment: dict[str, str]) -> None:
    """Leave Ctrl-C to the parent, and end when it ends, also by `kill -9`."""
    os.environ.clear()
    os.environ.update(environment)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    parent = parent_process()
    if parent:
        parent.join()
    os._exit(1)


@lru_cache(maxsize=1)
def load_objective(pickled: bytes) -> Objective:
    """Return a pickled objective; the last one is kept with its folds."""
    return cast("Objective", pickle.loads(pickled))  # noqa: S301 - of our own parent
