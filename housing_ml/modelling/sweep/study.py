"""Optuna's study on a database: a trial that dies with its process is tried again.

An SQLite file belongs to one process at a time, which takes trials that it finds running for
interrupted ones. A server's database is shared by many: each shows by a heartbeat that its trials
are alive, and takes over those of others that are silent for too long.
"""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from operator import attrgetter, itemgetter
from pathlib import Path
from typing import TYPE_CHECKING

import optuna
import stamina
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.exceptions import DuplicatedStudyError, ExperimentalWarning
from optuna.pruners import NopPruner
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback, fail_stale_trials
from optuna.storages._heartbeat import get_heartbeat_thread, is_heartbeat_enabled
from optuna.trial import TrialState
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from housing_ml.formats import Format, Stamp
from housing_ml.modelling.sweep.choice import choose
from housing_ml.modelling.sweep.trials import SweepError
from housing_ml.records.sweep import SweepResult, Trial
from housing_ml.storage.file_lock import lock

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

    from housing_ml.config.choices import Parameters
    from housing_ml.modelling.sweep.objective import Objective
    from housing_ml.modelling.sweep.space import Range
    from housing_ml.records.sweep import TrialOutcome

FORMAT = Format(1, needs="0.1.0")
"""Of a study: what its trials and their records hold."""

STATES: dict[TrialOutcome, TrialState] = {
    "complete": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    "failed": TrialState.FAIL,
}
_HEARTBEAT_SECONDS = 15
_GRACE_SECONDS = 90  # a busy machine is late with its heartbeats, and would lose healthy trials
_RETRIES = 3


@contextmanager
def open_study(storage: str | None, name: str, first: Parameters) -> Iterator[optuna.Study]:
    """Open or create the study, retry what is known to be interrupted, and close the database.

    Args:
        storage: SQLAlchemy's URL of a database; none: in memory.
        name: of the study.
        first: the point that a new study tries first.

    Raises:
        SweepError: when another process searches the same study of an SQLite file, or a newer
            version has written it.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if storage is None:
        yield _create(optuna.storages.InMemoryStorage(), name, first)
    elif storage.startswith("sqlite"):
        with _alone(storage, name), _database(storage) as database:
            study = _create(database, name, first)
            for trial in study.get_trials(states=[TrialState.RUNNING]):
                study.tell(trial.number, state=TrialState.FAIL)
                with _experimental():
                    RetryHeartbeatStaleTrialCallback(_RETRIES)(study, trial)
            yield study
    else:
        with _database(storage, _HEARTBEAT_SECONDS) as database:
            yield _create(database, name, first)


def ask(study: optuna.Study) -> optuna.Trial:
    """Return a new trial; who runs it shows by a `heartbeat` that it is alive."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Heartbeat of storage is supposed to be used")
        return study.ask()


def propose(trial: optuna.Trial, objective: Objective) -> Parameters:
    """Return the point of the objective's space that the study proposes for a trial."""
    return {
        name: trial.suggest_int(name, int(part.low), int(part.high), log=part.log)
        if part.kind == "integer"
        else trial.suggest_float(name, part.low, part.high, log=part.log)
        for name, part in objective.space.dimensions.items()
    }


def take_over(study: optuna.Study, seen: set[int]) -> None:
    """Let trials of other machines that are silent for too long be tried again.

    Optuna waits for ever for a trial whose machine died before its first heartbeat. So each running
    trial gets one when it is first seen, which delays by that much what is taken over.

    Args:
        study: what is searched.
        seen: numbers of the trials that have been seen running; they are added.
    """
    with _experimental():
        fail_stale_trials(study)
    storage = study._storage  # noqa: SLF001 - as Optuna's own loop does
    if not is_heartbeat_enabled(storage):
        return
    for trial in study.get_trials(deepcopy=False, states=[TrialState.RUNNING]):
        if trial.number not in seen:
            seen.add(trial.number)
            storage.record_heartbeat(trial._trial_id)  # type: ignore[attr-defined]  # noqa: SLF001


def heartbeat(study: optuna.Study, trial: optuna.Trial) -> AbstractContextManager[None]:
    """Show other machines, while the block runs, that the trial is alive."""
    return get_heartbeat_thread(trial._trial_id, study._storage)  # type: ignore[return-value] # noqa: SLF001 - as Optuna's own loop does


def trial_number(known: Sequence[FrozenTrial], number: int) -> int:
    """Return a trial's place among the distinct ones: one that is tried again keeps its place.

    Args:
        known: Optuna's trials.
        number: Optuna's number of the trial.
    """
    firsts: dict[int, int] = {
        trial.number: trial.system_attrs["failed_trial"]
        for trial in known
        if "failed_trial" in trial.system_attrs
    }
    first = firsts.get(number, number)
    return first - sum(retry < first for retry in firsts)


def finished(study: optuna.Study) -> list[Trial]:
    """Return the finished trials, each once, in the order in which they ended."""
    known = study.get_trials(deepcopy=False)
    again = {number for trial in known for number in trial.system_attrs.get("retry_history", ())}
    ended = [
        (trial.datetime_complete, trial.user_attrs["record"])
        for trial in known
        if trial.datetime_complete and "record" in trial.user_attrs and trial.number not in again
    ]
    return [Trial.model_validate(record) for _, record in sorted(ended, key=itemgetter(0))]


def add(study: optuna.Study, objective: Objective, record: Trial) -> int:
    """Add a trial that something else than the study has proposed; return its number here."""
    number = len(study.get_trials(deepcopy=False))
    placed = record.model_copy(update={"number": number})
    dimensions = objective.space.dimensions
    study.add_trial(
        optuna.trial.create_trial(
            state=STATES[record.state],
            value=record.wmape,
            params={name: record.parameters[name] for name in dimensions},
            distributions={name: _distribution(part) for name, part in dimensions.items()},
            user_attrs={"record": placed.model_dump(mode="json")},
        )
    )
    return number


def sweep_result(
    study: optuna.Study, objective: Objective, resumed: int, stopped: str, best: str = ""
) -> SweepResult:
    """Return all trials and the one that wins.

    Args:
        study: what was searched.
        objective: what was lowered.
        resumed: how many trials it had before.
        stopped: why no further trial was started.
        best: run of the best trial where a service names it.

    Raises:
        SweepError: when no trial succeeded.
    """
    trials = sorted(finished(study), key=attrgetter("number"))
    complete = [trial for trial in trials if trial.wmape is not None]
    if not complete:
        raise SweepError(f"all {len(trials)} trials failed; the first one: {trials[0].reason}")
    chosen = choose(complete, objective.start, best)
    return SweepResult(
        model=objective.model,
        best_parameters=chosen.winner.parameters,
        best_wmape=chosen.winner.wmape,
        gain=chosen.gain,
        gain_error=chosen.error,
        trials=tuple(trials),
        resumed=resumed,
        study=study.study_name,
        stopped=stopped,
    )


def _distribution(dimension: Range) -> BaseDistribution:
    if dimension.kind == "integer":
        return IntDistribution(int(dimension.low), int(dimension.high), log=dimension.log)
    return FloatDistribution(dimension.low, dimension.high, log=dimension.log)


def _create(storage: optuna.storages.BaseStorage, name: str, first: Parameters) -> optuna.Study:
    """Return the study; who creates it names the first point, so that no two machines try it."""
    try:
        study = optuna.create_study(storage=storage, study_name=name, pruner=NopPruner())
    except DuplicatedStudyError:
        return _readable(optuna.load_study(storage=storage, study_name=name, pruner=NopPruner()))
    study.set_user_attr("format", FORMAT.number)
    study.set_user_attr("needs", FORMAT.needs)
    study.enqueue_trial(first)
    return study


def _readable(study: optuna.Study) -> optuna.Study:
    said = study.user_attrs
    found = Stamp(said.get("format", 1), said.get("needs", ""))
    if refusal := FORMAT.refusal(f"study {study.study_name[:12]}", found):
        raise SweepError(refusal)
    return study


@contextmanager
def _database(url: str, heartbeat_seconds: int | None = None) -> Iterator[RDBStorage]:
    """Connect to a database; two that find it empty at once both try to make its tables."""
    for attempt in stamina.retry_context(on=DBAPIError, attempts=5, wait_initial=0.5):
        with attempt, _experimental():
            database = RDBStorage(
                url,
                heartbeat_interval=heartbeat_seconds,
                grace_period=_GRACE_SECONDS,
                heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(_RETRIES),
            )
    try:
        yield database
    finally:
        database.remove_session()
        database.engine.dispose()


@contextmanager
def _alone(url: str, name: str) -> Iterator[None]:
    path = Path(f"{make_url(url).database}.{name[:12]}.lock")
    with path.open("w") as file:
        try:
            lock(file.fileno(), wait=False)
        except BlockingIOError:
            raise SweepError(
                "another process searches this study: wait for it, or let both share it in a "
                "PostgreSQL database by HOUSING_OPTUNA_STORAGE"
            ) from None
        yield
        path.unlink()


@contextmanager
def _experimental() -> Iterator[None]:
    """Use what Optuna calls experimental without its warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        yield
