"""A sweep that Optuna drives: seeded, resumable, with any number of workers and machines.

This process proposes the trials and keeps their records; where they run is the workers' business.
"""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from statistics import fmean
from time import perf_counter, sleep
from typing import TYPE_CHECKING

import numpy as np
from optuna.samplers import TPESampler
from optuna.trial import TrialState

from housing_ml.modelling.sweep.stopping import counted, stop_reason, tell_trial
from housing_ml.modelling.sweep.study import (
    STATES,
    ask,
    finished,
    heartbeat,
    open_study,
    propose,
    sweep_result,
    take_over,
    trial_number,
)
from housing_ml.modelling.sweep.trials import pruning_limits
from housing_ml.modelling.sweep.workers import open_workers
from housing_ml.records.sweep import SweepResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    import optuna
    from optuna.trial import FrozenTrial

    from housing_ml.config.choices import Parameters
    from housing_ml.modelling.sweep.objective import Objective
    from housing_ml.modelling.sweep.trials import Evaluate
    from housing_ml.modelling.sweep.workers import Workers
    from housing_ml.records.sweep import Trial

_RANDOM_TRIALS = 4
"""Trials before TPE has something to learn from; the first of them has the parameters to beat."""
_POLLING_SECONDS = 1.0


def sweep(
    objective: Objective,
    storage: str | None = None,
    name: str = "sweep",
    workers: Workers = open_workers,
) -> SweepResult:
    """Search the objective's space until its config's budget or patience is used up.

    The first trial has the parameters to beat. With one worker, what a later one proposes depends
    on the seed and the finished trials only; with several, also on the order in which trials end.

    Args:
        objective: what to lower.
        storage: Optuna's database URL, such as "sqlite:////absolute/path.db"; none: in memory.
        name: of the study. The same name in the same storage resumes, so it must hold a digest of
            all that shapes a trial: `Objective.digest`.
        workers: opens what runs the trials.

    Raises:
        SweepError: when no trial succeeded, or another process is at the same SQLite study.
    """
    if not objective.config.trials:
        return SweepResult(
            model=objective.model,
            best_parameters=objective.start,
            best_wmape=None,
            trials=(),
            resumed=0,
        )
    with open_study(storage, name, objective.point) as study:
        resumed = len(finished(study))
        with (
            workers(objective) as evaluate,
            ThreadPoolExecutor(objective.config.workers) as threads,
        ):
            stopped = _Search(study, objective, evaluate, threads).run()
        return sweep_result(study, objective, resumed, stopped)


class _Search:
    """One session of a study: keeps the workers busy until there is a reason to stop."""

    def __init__(
        self,
        study: optuna.Study,
        objective: Objective,
        evaluate: Evaluate,
        threads: ThreadPoolExecutor,
    ) -> None:
        self._study = study
        self._objective = objective
        self._evaluate = evaluate
        self._threads = threads
        self._running: dict[Future[Trial], optuna.Trial] = {}
        self._ours: set[int] = set()
        self._seen: set[int] = set()

    def run(self) -> str:
        """Return why it stopped, when all trials that started here have ended."""
        config, start = self._objective.config, perf_counter()
        while True:
            take_over(self._study, self._seen)
            known = self._study.get_trials(deepcopy=False)
            ended = finished(self._study)
            minutes = (perf_counter() - start) / 60
            reason = stop_reason(config, ended, self._ours, minutes)
            active = sum(trial.state == TrialState.RUNNING for trial in known)
            room = config.trials - len(counted(ended, self._ours)) - active
            if not reason:
                tell_trial(config, ended, self._ours)
                limits = pruning_limits(ended, config.folds)
                for _ in range(min(room, config.workers - len(self._running))):
                    self._start(known, limits)
            if self._running:
                self._collect()
            elif reason:
                return reason
            else:
                sleep(_POLLING_SECONDS)  # other machines run the last trials

    def _start(self, known: Sequence[FrozenTrial], limits: tuple[float, ...]) -> None:
        trial = ask(self._study)
        number = trial_number(known, trial.number)
        self._ours.add(number)
        seed = np.random.SeedSequence([self._objective.config.seed, number]).generate_state(1)
        self._study.sampler = TPESampler(
            seed=int(seed[0]), n_startup_trials=_RANDOM_TRIALS, constant_liar=True
        )
        point = propose(trial, self._objective)
        future = self._threads.submit(self._run, trial, number, point, limits)
        self._running[future] = trial

    def _run(
        self, trial: optuna.Trial, number: int, point: Parameters, limits: tuple[float, ...]
    ) -> Trial:
        with heartbeat(self._study, trial):
            return self._evaluate(number, {**self._objective.start, **point}, limits)

    def _collect(self) -> None:
        done, _ = wait(self._running, return_when=FIRST_COMPLETED)
        for future in done:
            trial, record = self._running.pop(future), future.result()
            if record.state == "pruned":
                trial.report(fmean(record.fold_wmapes), len(record.fold_wmapes))
            trial.set_user_attr("record", record.model_dump(mode="json"))
            self._study.tell(trial, record.wmape, STATES[record.state])
