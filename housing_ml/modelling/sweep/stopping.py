"""When a sweep ends: its budget is used up, it stops improving, or everything fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from housing_ml.progress import step

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from housing_ml.config.sweep import SweepConfig
    from housing_ml.records.sweep import Trial

_FAULTS = 5
"""Failures in a row that are no accident."""


def stop_reason(
    config: SweepConfig, trials: Sequence[Trial], ours: Collection[int], minutes: float
) -> str:
    """Return why no further trial should start; empty when one should.

    Args:
        config: budget and patience.
        trials: the finished ones, in the order in which they ended.
        ours: numbers of the trials that this session has started.
        minutes: that this session has taken.
    """
    tried = counted(trials, ours)
    latest = [trial for trial in tried if trial.number in ours][-_FAULTS:]
    if len(latest) == _FAULTS and all(trial.state == "failed" for trial in latest):
        return f"the last {_FAULTS} trials failed: {latest[-1].reason}"
    if len(tried) >= config.trials:
        return f"{config.trials} trials are done"
    if tried and minutes >= config.minutes:
        return f"{config.minutes:g} minutes are over"
    if config.patience and _since_best(tried) >= config.patience:
        return f"no better one in {config.patience} trials"
    return ""


def tell_trial(config: SweepConfig, trials: Sequence[Trial], ours: Collection[int]) -> None:
    """Tell who watches which trial of the budget comes next."""
    step("trial", min(len(counted(trials, ours)) + 1, config.trials), config.trials)


def counted(trials: Sequence[Trial], ours: Collection[int]) -> list[Trial]:
    """Return the trials that use the budget: not the failed ones of earlier sessions.

    What made those fail may be mended by now.
    """
    return [trial for trial in trials if trial.state != "failed" or trial.number in ours]


def _since_best(trials: Sequence[Trial]) -> int:
    """Return how many trials ended after the best one, or 0 when none is complete."""
    wmapes = [trial.wmape for trial in trials]
    known = [wmape for wmape in wmapes if wmape is not None]
    return len(wmapes) - 1 - wmapes.index(min(known)) if known else 0
