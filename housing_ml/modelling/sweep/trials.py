"""One trial of a sweep, in whichever process: fold by fold, until it is clearly a poor one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean, median
from time import perf_counter
from typing import TYPE_CHECKING, TypeAlias

from housing_ml.config.choices import Parameters
from housing_ml.errors import HousingError
from housing_ml.records.sweep import Trial, TrialOutcome

if TYPE_CHECKING:
    from housing_ml.modelling.sweep.objective import Objective
    from housing_ml.records.sweep import TrialOutcome


class SweepError(HousingError, RuntimeError):
    """A sweep that cannot run, or without a single successful trial."""


Evaluate: TypeAlias = Callable[[int, Parameters, Sequence[float]], Trial]
"""`run_trial` of one objective, here or elsewhere."""

_STARTUP = 4
"""Complete trials before another one can be a poor one."""


def run_trial(
    objective: Objective,
    number: int,
    parameters: Parameters,
    limits: Sequence[float] = (),
    report: Callable[[float], None] = lambda _: None,
) -> Trial:
    """Judge parameters on the folds; whatever goes wrong is the trial's own failure.

    Args:
        objective: what to lower.
        number: the trial's place in the study.
        parameters: what the model is given.
        limits: for each fold but the last, the mean wMAPE up to it above which the trial ends.
        report: is told the mean wMAPE after each fold.
    """
    start = perf_counter()
    wmapes: list[float] = []
    state: TrialOutcome = "complete"
    reason = ""
    try:
        for wmape in objective.fold_wmapes(parameters):
            wmapes.append(wmape)
            report(fmean(wmapes))
            if len(wmapes) <= len(limits) and fmean(wmapes) > limits[len(wmapes) - 1]:
                state = "pruned"
                break
    except Exception as error:  # noqa: BLE001 - whatever it is belongs to this trial's record
        state, reason = "failed", f"{type(error).__name__}: {error}"
    return Trial(
        number=number,
        parameters=parameters,
        state=state,
        wmape=fmean(wmapes) if state == "complete" else None,
        fold_wmapes=tuple(wmapes),
        seconds=perf_counter() - start,
        reason=reason,
    )


def pruning_limits(trials: Sequence[Trial], folds: int) -> tuple[float, ...]:
    """Return, for each fold but the last, the median of the complete trials' mean up to it.

    All trials see the same folds, so that an easy fold is easy for all of them.
    """
    complete = [trial.fold_wmapes for trial in trials if trial.state == "complete"]
    if len(complete) < _STARTUP:
        return ()
    return tuple(median(fmean(wmapes[:fold]) for wmapes in complete) for fold in range(1, folds))
