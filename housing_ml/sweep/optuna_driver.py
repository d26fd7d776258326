"""A sweep that Optuna drives in this process: seeded, resumable, stopped fold by fold."""

from __future__ import annotations

from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
import optuna
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.pruners import MedianPruner
from optuna.samplers import TPESampler
from optuna.trial import TrialState

from housing_ml.sweep import SweepError, SweepResult, Trial

if TYPE_CHECKING:
    from collections.abc import Iterator

    from optuna.distributions import BaseDistribution

    from housing_ml.config import Parameters
    from housing_ml.sweep import TrialOutcome
    from housing_ml.sweep.objective import Objective
    from housing_ml.sweep.space import Range

_STATES: dict[TrialOutcome, TrialState] = {
    "complete": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    "failed": TrialState.FAIL,
}
_RANDOM_TRIALS = 4
"""Trials before TPE has something to learn from; the first of them has the parameters to beat."""


def sweep(objective: Objective, storage: str | None = None, name: str = "sweep") -> SweepResult:
    """Search the objective's space until its config's trials or minutes are used up.

    The first trial has the parameters to beat. What a later one proposes depends on the seed and
    the finished trials only, so that an interrupted sweep goes on as if it had not been.

    Args:
        objective: what to lower.
        storage: Optuna's database URL, such as "sqlite:////absolute/path.db"; none: in memory.
        name: of the study. The same name in the same storage resumes, so it must hold a digest of
            all that shapes a trial: `Objective.digest`. One process at a time may run it: trials
            that are found running are taken for interrupted.

    Raises:
        SweepError: when every trial failed.
    """
    if not objective.config.trials:
        return SweepResult(
            model=objective.model,
            best_parameters=objective.start,
            best_wmape=None,
            trials=(),
            resumed=0,
        )
    with _study(storage, name) as study:
        resumed = len(_finished(study))
        deadline = perf_counter() + 60 * objective.config.minutes
        for done in range(resumed, objective.config.trials):
            if done and perf_counter() > deadline:
                break
            _try_next(study, objective, done)
        return _result(study, objective, resumed)


@contextmanager
def _study(storage: str | None, name: str) -> Iterator[optuna.Study]:
    """Open the study, give up the trials that a dead process left, and close the database."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    database = optuna.storages.RDBStorage(storage) if storage else None
    try:
        study = optuna.create_study(
            storage=database,
            study_name=name,
            load_if_exists=True,
            pruner=MedianPruner(n_startup_trials=_RANDOM_TRIALS),
        )
        for trial in study.get_trials(deepcopy=False, states=[TrialState.RUNNING]):
            study.tell(trial.number, state=TrialState.FAIL)
        yield study
    finally:
        if database:
            database.remove_session()
            database.engine.dispose()


def _finished(study: optuna.Study) -> tuple[Trial, ...]:
    """Return the finished trials, which carry their record; an interrupted one has none."""
    attributes = (trial.user_attrs for trial in study.get_trials(deepcopy=False))
    return tuple(Trial.model_validate(has["record"]) for has in attributes if "record" in has)


def _try_next(study: optuna.Study, objective: Objective, number: int) -> None:
    proposed = _propose(study, objective, number)
    record = _run(proposed, objective, number)
    proposed.set_user_attr("record", record.model_dump(mode="json"))
    study.tell(proposed, record.wmape, _STATES[record.state])


def _propose(study: optuna.Study, objective: Objective, number: int) -> optuna.Trial:
    if not number and not study.get_trials(deepcopy=False, states=[TrialState.WAITING]):
        study.enqueue_trial(objective.point)
    seed = np.random.SeedSequence([objective.config.seed, number]).generate_state(1)
    study.sampler = TPESampler(seed=int(seed[0]), n_startup_trials=_RANDOM_TRIALS)
    dimensions = objective.space.dimensions
    return study.ask({name: _distribution(part) for name, part in dimensions.items()})


def _run(proposed: optuna.Trial, objective: Objective, number: int) -> Trial:
    parameters: Parameters = {**objective.start, **proposed.params}
    start = perf_counter()
    wmapes: list[float] = []
    state: TrialOutcome = "complete"
    reason = ""
    try:
        for wmape in objective.fold_wmapes(parameters):
            wmapes.append(wmape)
            proposed.report(float(np.mean(wmapes)), step=len(wmapes))
            if len(wmapes) < objective.config.folds and proposed.should_prune():
                state = "pruned"
                break
    except Exception as error:  # noqa: BLE001 - whatever it is belongs to this trial's record
        state, reason = "failed", f"{type(error).__name__}: {error}"
    return Trial(
        number=number,
        parameters=parameters,
        state=state,
        wmape=float(np.mean(wmapes)) if state == "complete" else None,
        fold_wmapes=tuple(wmapes),
        seconds=perf_counter() - start,
        reason=reason,
    )


def _distribution(dimension: Range) -> BaseDistribution:
    if dimension.kind == "integer":
        return IntDistribution(int(dimension.low), int(dimension.high), log=dimension.log)
    return FloatDistribution(dimension.low, dimension.high, log=dimension.log)


def _result(study: optuna.Study, objective: Objective, resumed: int) -> SweepResult:
    trials = _finished(study)
    complete = [trial for trial in trials if trial.wmape is not None]
    if not complete:
        raise SweepError(f"all {len(trials)} trials failed; the first one: {trials[0].reason}")
    best = min(complete, key=lambda trial: trial.wmape or 0)
    return SweepResult(
        model=objective.model,
        best_parameters=best.parameters,
        best_wmape=best.wmape,
        trials=trials,
        resumed=resumed,
    )
