"""Which trial of a sweep wins: the best one, when it beats the parameters to beat beyond chance."""

from __future__ import annotations

import math
from operator import attrgetter
from statistics import fmean, stdev
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from housing_ml.config.choices import Parameters
    from housing_ml.records.sweep import Trial

_ERRORS = 2.0
"""Standard errors by which the best must be better: the best of many is so by luck as well."""

_FEWEST_FOLDS = 2
"""One fold says nothing of chance: the best trial wins."""


class Choice(NamedTuple):
    """The trial that wins, and what the best gained over the parameters to beat.

    `gain` and its standard error are differences of wMAPE, paired over the folds; none where the
    parameters to beat have no complete trial, or are the best.
    """

    winner: Trial
    gain: float | None = None
    error: float | None = None


def choose(trials: Sequence[Trial], start: Parameters, best: str = "") -> Choice:
    """Choose among complete trials.

    All see the same folds, so that an easy fold is easy for each. Within chance the parameters to
    beat stay: they are known, and another choice would only follow the noise.

    Args:
        trials: complete ones, at least one.
        start: the parameters to beat.
        best: run of the best trial where a service names it.
    """
    named = [trial for trial in trials if best and trial.run == best]
    found = named[0] if named else min(trials, key=attrgetter("wmape"))
    known = [trial for trial in trials if trial.number == 0 and _same(trial.parameters, start)]
    if not known or found is known[0] or len(found.fold_wmapes) < _FEWEST_FOLDS:
        return Choice(found)
    pairs = zip(known[0].fold_wmapes, found.fold_wmapes, strict=True)
    gains = [before - after for before, after in pairs]
    gain, error = fmean(gains), stdev(gains) / math.sqrt(len(gains))
    return Choice(found if gain > _ERRORS * error else known[0], gain, error)


def _same(parameters: Parameters, start: Parameters) -> bool:
    return all(parameters.get(name) == value for name, value in start.items())
