"""Which trial of a sweep wins: the best one, or the cheapest of those that are as good."""

from __future__ import annotations

import math
from operator import attrgetter
from statistics import fmean, stdev
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from housing_ml.config.choices import Parameters
    from housing_ml.records.sweep import Trial

_ERRORS = 3.0
"""Standard errors by which the best must be better: the best of many is so by luck as well, and
three folds say little of how much luck there is (Student's t is 2.9 there for 95 %)."""

_FEWEST_FOLDS = 2
"""One fold says nothing of chance: the best trial wins."""

_SAVED = 1.05
"""How many times as dear a row must be for another price of it to matter."""


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

    All see the same folds, so that an easy fold is easy for each. Trials within chance of the best
    are alike, and the one whose rows are cheapest to price wins. The parameters to beat stay unless
    something is better beyond chance, or cheaper and in the mean no worse: they are known, and
    another choice would only follow the noise.

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
    gain, error = _difference(known[0], found)
    return Choice(_cheapest(trials, found, known[0]), gain, error)


def row_price(parameters: Parameters) -> float:
    """Return what a row costs, in splits that it passes: trees times their depth.

    Parameters that are not given count as one: only ratios within one model mean anything.

    >>> row_price({"max_iter": 100, "max_leaf_nodes": 32})
    500.0
    """
    trees = parameters.get("max_iter") or parameters.get("n_estimators") or 1
    leaves = parameters.get("max_leaf_nodes")
    depth = parameters.get("max_depth") or (math.log2(float(leaves)) if leaves else 1)
    return float(trees) * float(depth)


def _cheapest(trials: Sequence[Trial], found: Trial, known: Trial) -> Trial:
    """Return the cheapest of the trials that are as good as the best, `known` before its like."""
    limit = known.wmape or math.inf
    alike = [trial for trial in trials if (trial.wmape or 0) <= limit and _alike(found, trial)]
    least = _SAVED * min(row_price(trial.parameters) for trial in alike)
    cheap = [trial for trial in alike if row_price(trial.parameters) <= least]
    return known if known in cheap else min(cheap, key=attrgetter("wmape"))


def _alike(found: Trial, other: Trial) -> bool:
    """Return whether another trial is worse by no more than chance; the found one itself is."""
    if other is found:
        return True
    worse, error = _difference(other, found)
    return worse <= _ERRORS * error


def _difference(trial: Trial, better: Trial) -> tuple[float, float]:
    """Return by how much wMAPE is lower in the second trial, and the standard error of that."""
    pairs = zip(trial.fold_wmapes, better.fold_wmapes, strict=True)
    gains = [before - after for before, after in pairs]
    return fmean(gains), stdev(gains) / math.sqrt(len(gains))


def _same(parameters: Parameters, start: Parameters) -> bool:
    return all(parameters.get(name) == value for name, value in start.items())
