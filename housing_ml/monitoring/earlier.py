"""Drift against the right past: a window beside earlier quiet ones of the same traffic. Pure.

Traffic is never spread like the training rows: a service for cities is asked for cities, every
week, and no retrain mends that. So being other than the training rows is worth a note, and being
other than one's own quiet weeks is an alarm. The oldest quiet windows are kept for that, not the
newest: a slow drift would take those with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from housing_ml.bundle.joint import is_relation
from housing_ml.bundle.reference import Reference, Tally, add
from housing_ml.monitoring.drift import WindowDrift, alarms, compare

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from housing_ml.config.monitoring import DriftConfig
    from housing_ml.monitoring.drift import Alarm


class Past:
    """The earlier quiet windows of one bundle's traffic."""

    def __init__(self, reference: Reference, config: DriftConfig) -> None:
        self._reference = reference
        self._config = config
        self._counts: Tally = {}
        self._windows = 0

    def judge(self, seen: Tally, start: datetime, version: str) -> WindowDrift:
        """Hold a window against training and against the past; a quiet one becomes part of it.

        Windows are to come in the order of their time.
        """
        found = compare(self._reference, seen, start, version, self._config)
        if self._windows:
            known = {name: tuple(counts.tolist()) for name, counts in self._counts.items()}
            past = Reference(self._reference.grids, known)
            earlier = compare(past, seen, start, version, self._config)
            found = found.model_copy(update={"earlier": earlier.columns})
        if self._windows < self._config.baseline_windows and self._is_quiet(found):
            self._counts = add(self._counts, seen)
            self._windows += 1
        return found

    def _is_quiet(self, found: WindowDrift) -> bool:
        calm = all(item.verdict in {"steady", "too few"} for item in found.earlier)
        collapsed = any(item.verdict == "collapsed" for item in found.columns)
        return found.rows >= self._config.minimum_rows and calm and not collapsed


def alarms_and_notes(
    windows: Sequence[WindowDrift], config: DriftConfig
) -> tuple[tuple[Alarm, ...], tuple[Alarm, ...]]:
    """Return what moved away from the earlier windows, and what differs from the training only.

    `windows` are those of one version, the oldest first. A collapsed price needs no past. Where a
    column has moved, the relations that moved with it say nothing more.
    """
    raised = _told(alarms([_beside_earlier(window) for window in windows], config))
    names = {alarm.name for alarm in raised}
    notes = (alarm for alarm in _told(alarms(windows, config)) if alarm.name not in names)
    return raised, tuple(notes)


def _told(found: tuple[Alarm, ...]) -> tuple[Alarm, ...]:
    alone = tuple(alarm for alarm in found if not is_relation(alarm.name))
    return alone or found


def _beside_earlier(window: WindowDrift) -> WindowDrift:
    collapsed = tuple(item for item in window.columns if item.verdict == "collapsed")
    return window.model_copy(update={"columns": window.earlier or collapsed})
