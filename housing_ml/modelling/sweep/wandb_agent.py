"""What is said to Weights & Biases, in a process of its own.

The client keeps the run and its sweep in environment variables, replaces its helper process at each
trial, and waits without end for a service that went away: a process can be left behind.
"""

from __future__ import annotations

import os
from concurrent.futures import Future
from contextlib import redirect_stdout
from io import StringIO
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from housing_ml.modelling.sweep.tracking import log_trial
from housing_ml.modelling.sweep.trials import SweepError, run_trial
from housing_ml.modelling.sweep.workers import load_objective
from housing_ml.orchestration.wandb_run import ANSWER_SECONDS, wandb_run
from housing_ml.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from housing_ml.modelling.sweep.objective import Objective
    from housing_ml.modelling.sweep.space import Range
    from housing_ml.records.sweep import Trial

T = TypeVar("T")

_EARLY_STOP = "Exception: "
"""How a stop that W&B asks for arrives in the thread of a run."""


class AwayError(SweepError):
    """W&B does not answer, or refuses; the message says what it was asked."""


class Sweep(NamedTuple):
    """A sweep of W&B: `entity/project/id`, and its page."""

    path: str
    url: str


def describe(objective: Objective, name: str) -> dict[str, Any]:
    """Return the sweep that W&B is asked for: Bayesian, and poor trials end after a fold."""
    return {
        "name": name,
        "method": "bayes",
        "metric": {"name": "wmape", "goal": "minimize"},
        "early_terminate": {"type": "hyperband", "min_iter": 1, "eta": 2},
        "parameters": {
            parameter: _distribution(dimension)
            for parameter, dimension in objective.space.dimensions.items()
        },
    }


def open_sweep(pickled: bytes, name: str, first: Trial) -> Sweep:
    """Record the first trial, and create a sweep whose search knows it.

    Raises:
        AwayError: when W&B does not answer in time, or refuses.
    """
    _prepare()
    opening = _in_background(lambda: _open_sweep(load_objective(pickled), name, first))
    try:
        return opening.result(ANSWER_SECONDS)
    except Exception as error:  # noqa: BLE001 - the client raises anything
        raise AwayError(f"no sweep was opened ({_first_line(error)})") from None


def run_proposal(pickled: bytes, sweep: Sweep) -> Trial:
    """Let W&B propose a trial, run it, and record it in the sweep.

    Raises:
        AwayError: when W&B proposes nothing in time, or refuses.
    """
    _prepare()
    started = Event()
    trials: list[Trial] = []

    def run() -> None:
        started.set()
        _run(load_objective(pickled), trials)

    agent = _in_background(lambda: _agent(sweep, run))
    agent.add_done_callback(lambda _: started.set())
    in_time = started.wait(ANSWER_SECONDS)
    try:
        agent.result(None if in_time else 0)
    except Exception as error:  # noqa: BLE001 - the client raises anything
        if not trials:
            raise AwayError(f"no trial was proposed ({_first_line(error)})") from None
    if not trials:
        raise AwayError("no trial was proposed (the sweep has ended)")
    return trials[0]


def best_run(sweep: Sweep) -> str:
    """Return the id of the sweep's best run, as the service knows it.

    Raises:
        AwayError: when W&B does not answer in time, or refuses.
    """
    _prepare()
    try:
        return _in_background(lambda: _best_run(sweep)).result(ANSWER_SECONDS)
    except Exception as error:  # noqa: BLE001 - the client raises anything
        raise AwayError(f"the best run was not told ({_first_line(error)})") from None


def _prepare() -> None:
    """Keep the client's files in the home folder, and its words to itself."""
    folder = Settings().home.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    os.environ |= {"WANDB_DIR": str(folder), "WANDB_SILENT": "true"}
    os.environ.pop("WANDB_SERVICE", None)  # the parent's helper process, which has runs of its own


def _open_sweep(objective: Objective, name: str, first: Trial) -> Sweep:
    import wandb  # noqa: PLC0415 - takes a second

    with wandb_run(
        Settings(),
        id=f"{name[:12]}-{first.number}",
        name=f"trial {first.number}",
        job_type="trial",
        group=name[:12],
        config=first.parameters,
    ) as run:
        log_trial(run, first)
        if run.offline:
            raise AwayError("W&B did not take the first trial's run")
        entity, project, page = run.entity, run.project, run.project_url
    with redirect_stdout(StringIO()):
        found = wandb.sweep(describe(objective, name), entity, project, prior_runs=[run.id])
    return Sweep(f"{entity}/{project}/{found}", f"{page}/sweeps/{found}")


def _agent(sweep: Sweep, run: Callable[[], None]) -> None:
    import wandb  # noqa: PLC0415 - takes a second

    with redirect_stdout(StringIO()):
        wandb.agent(sweep.path, function=run, count=1)


def _run(objective: Objective, trials: list[Trial]) -> None:
    """Run a trial in the thread of an agent; `trials` has it before W&B is told."""
    with wandb_run(Settings(), live=True, job_type="trial") as run:
        proposed = {
            name: _value(dimension, run.config[name])
            for name, dimension in objective.space.dimensions.items()
        }

        def report(wmape: float) -> None:
            run.log({"wmape": wmape})

        record = run_trial(objective, 0, {**objective.start, **proposed}, (), report)
        if record.reason == _EARLY_STOP:
            record = record.model_copy(update={"state": "pruned", "reason": ""})
        trials.append(record.model_copy(update={"run": run.id}))
        log_trial(run, record)


def _best_run(sweep: Sweep) -> str:
    import wandb  # noqa: PLC0415 - takes a second

    api: Any = wandb.Api()
    best = api.sweep(sweep.path).best_run()
    return str(best.id) if best else ""


def _distribution(dimension: Range) -> dict[str, Any]:
    kinds = {
        ("real", False): "uniform",
        ("real", True): "log_uniform_values",
        ("integer", False): "int_uniform",
        ("integer", True): "q_log_uniform_values",
    }
    number = int if dimension.kind == "integer" else float
    limits = {"min": number(dimension.low), "max": number(dimension.high)}
    return {"distribution": kinds[dimension.kind, dimension.log], **limits}


def _value(dimension: Range, value: float) -> float:
    """Return a proposed value within the dimension; whole steps may end beyond its limits."""
    inside = min(max(value, dimension.low), dimension.high)
    return round(inside) if dimension.kind == "integer" else float(inside)


def _in_background(function: Callable[[], T]) -> Future[T]:
    """Run a function that may never end, in a thread that does not keep the process alive."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(function())
        except BaseException as error:  # noqa: BLE001 - it is raised where the result is awaited
            future.set_exception(error)

    Thread(target=run, daemon=True).start()
    return future


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".partition("\n")[0].removesuffix(": ")
