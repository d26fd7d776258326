"""A sweep that Weights & Biases drives: it proposes, and agents in processes of ours try.

The study in the sweeps' database keeps every trial, as with Optuna: what was interrupted goes on,
machines that share the database share the sweep, and where W&B stops answering Optuna proposes the
rest of the trials.
"""

from __future__ import annotations

import logging
import os
import pickle
from concurrent.futures import FIRST_COMPLETED, wait
from concurrent.futures.process import BrokenProcessPool
from time import perf_counter
from typing import TYPE_CHECKING

from housing_ml.modelling.sweep import optuna_driver
from housing_ml.modelling.sweep.stopping import counted, stop_reason, tell_trial
from housing_ml.modelling.sweep.study import (
    STATES,
    add,
    ask,
    finished,
    open_study,
    propose,
    sweep_result,
)
from housing_ml.modelling.sweep.trials import SweepError
from housing_ml.modelling.sweep.wandb_agent import (
    AwayError,
    Sweep,
    best_run,
    open_sweep,
    run_proposal,
)
from housing_ml.modelling.sweep.workers import run_pickled, start_process

if TYPE_CHECKING:
    from concurrent.futures import Future, ProcessPoolExecutor
    from typing import Self

    import optuna

    from housing_ml.modelling.sweep.objective import Objective
    from housing_ml.records.sweep import SweepResult, Trial

_PLACE = "wandb"
"""The study's attribute that says where its sweep is in W&B."""

_DEATHS = 3
"""Agents that may die in a sweep; each one is replaced."""

logger = logging.getLogger(__name__)


def sweep(objective: Objective, storage: str | None = None, name: str = "sweep") -> SweepResult:
    """Search the objective's space until its config's budget or patience is used up.

    The first trial has the parameters to beat. W&B's Bayesian search proposes the others, and ends
    those that are poor after a fold.

    Args:
        objective: what to lower.
        storage: database URL of the study; none: in memory, where nothing goes on without W&B.
        name: of the study; the same name in the same storage resumes.

    Raises:
        SweepError: when there is no API key, or no trial succeeded.
    """
    if not os.environ.get("WANDB_API_KEY"):
        raise SweepError(
            "W&B drives no sweep without an account: set WANDB_API_KEY, or sweep.driver=optuna"
        )
    start = perf_counter()
    try:
        with open_study(storage, name, objective.point) as study:
            resumed = len(finished(study))
            with _Agents(study, objective) as agents:
                place = agents.open(name)
                stopped = agents.run(place, start)
                best = agents.best(place)
            found = sweep_result(study, objective, resumed, stopped, best)
            return found.model_copy(update={"driver": "wandb", "url": place.url})
    except AwayError as error:
        if storage is None:
            raise
        logger.warning("W&B does not drive the sweep any more, Optuna does: %s", error)
    minutes = max(objective.config.minutes - (perf_counter() - start) / 60, 0.01)
    return optuna_driver.sweep(objective.within(minutes), storage, name)


class _Agents:
    """A process for each worker, which runs one agent at a time; one that dies is replaced."""

    def __init__(self, study: optuna.Study, objective: Objective) -> None:
        self._study = study
        self._objective = objective
        self._pickled = pickle.dumps(objective)
        self._idle: list[ProcessPoolExecutor] = []
        self._running: dict[Future[Trial], ProcessPoolExecutor] = {}
        self._ours: set[int] = set()
        self._deaths = 0

    def __enter__(self) -> Self:
        self._idle = [start_process() for _ in range(self._objective.config.workers)]
        return self

    def __exit__(self, *_: object) -> None:
        for process in (*self._idle, *self._running.values()):
            process.shutdown()

    def open(self, name: str) -> Sweep:
        """Return the study's sweep in W&B; a new one learns from the trial to beat.

        Raises:
            AwayError: when W&B does not answer.
        """
        if _PLACE in self._study.user_attrs:
            return Sweep(*self._study.user_attrs[_PLACE])
        process = self._idle[0]
        known = finished(self._study)
        first = known[0] if known else self._try_first(process)
        place = process.submit(open_sweep, self._pickled, name, first).result()
        self._study.set_user_attr(_PLACE, list(place))
        return place

    def run(self, place: Sweep, start: float) -> str:
        """Return why it stopped, when all trials that started here have ended.

        Raises:
            AwayError: when W&B stops answering.
        """
        while True:
            known = finished(self._study)
            minutes = (perf_counter() - start) / 60
            reason = stop_reason(self._objective.config, known, self._ours, minutes)
            room = self._objective.config.trials - len(counted(known, self._ours))
            tell_trial(self._objective.config, known, self._ours)
            while self._idle and not reason and len(self._running) < room:
                self._start(place)
            if not self._running:
                return reason
            self._collect()

    def best(self, place: Sweep) -> str:
        """Return the best run's id as W&B knows it; empty where it does not say."""
        try:
            return self._idle[0].submit(best_run, place).result()
        except AwayError as error:
            logger.warning("W&B: %s", error)
            return ""

    def _try_first(self, process: ProcessPoolExecutor) -> Trial:
        """Run the trial to beat, which waits in a new study."""
        trial = ask(self._study)
        self._ours.add(trial.number)
        parameters = {**self._objective.start, **propose(trial, self._objective)}
        record = process.submit(run_pickled, self._pickled, trial.number, parameters, ()).result()
        trial.set_user_attr("record", record.model_dump(mode="json"))
        self._study.tell(trial, record.wmape, STATES[record.state])
        return record

    def _start(self, place: Sweep) -> None:
        process = self._idle.pop()
        self._running[process.submit(run_proposal, self._pickled, place)] = process

    def _collect(self) -> None:
        """Record the trials that ended; where W&B is away, all that are under way."""
        done, _ = wait(self._running, return_when=FIRST_COMPLETED)
        away: AwayError | None = None
        for job in done:
            process = self._running.pop(job)
            try:
                self._ours.add(add(self._study, self._objective, job.result()))
            except AwayError as error:
                away = error
            except BrokenProcessPool:
                process.shutdown()
                process = start_process()
                self._deaths += 1
                if self._deaths > _DEATHS:
                    away = AwayError(f"{self._deaths} agents died, perhaps for want of memory")
            self._idle.append(process)
        if away:
            if self._running:
                self._collect()
            raise away
