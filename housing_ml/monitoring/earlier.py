"""Drift against the right past: a window beside earlier quiet ones of the same traffic.

Traffic is never spread like the training rows: a service for cities is asked for cities, every
week, and no retrain mends that. So being other than the training rows is worth a note, and being
other than one's own quiet windows is an alarm. The oldest are kept for that, not the newest: a
slow drift would take those with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from housing_ml.bundle.joint import is_relation
from housing_ml.bundle.reference import PRICE, RATIO, Reference, bins_of
from housing_ml.data.contract import CATEGORY
from housing_ml.monitoring.drift import WindowDrift, alarms, compare, judged, measure
from housing_ml.monitoring.state import Kept

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from housing_ml.bundle.reference import Counts, Grid, Tally
    from housing_ml.config.monitoring import DriftConfig
    from housing_ml.monitoring.drift import Alarm, ColumnDrift
    from housing_ml.monitoring.models import Models
    from housing_ml.monitoring.state import State, Window

_OWN = (PRICE,)
"""Columns that tell of the model as much as of the traffic: another version's say nothing."""


class Past:
    """The earlier quiet windows of the traffic, which grow with each window that is judged."""

    def __init__(self, state: State, models: Models, config: DriftConfig) -> None:
        self._state = state
        self._models = models
        self._config = config

    def judge(self, window: Window, seen: Tally, reference: Reference) -> WindowDrift:
        """Hold a window against training and against the past; quiet columns become part of it.

        Windows are to come in the order of their time.
        """
        found = compare(reference, seen, window.start, window.version, self._config)
        before, own = self._before(window, reference)
        if before:
            earlier = self._compared(Reference(reference.grids, before), window, seen, found)
            beside = "own" if own else "older version"
            found = found.model_copy(update={"earlier": earlier, "beside": beside})
        self._keep(window, seen, found)
        return found

    def _compared(
        self, past: Reference, window: Window, seen: Tally, found: WindowDrift
    ) -> tuple[ColumnDrift, ...]:
        """Return the columns against the past.

        A young past is a few thousand rows: where a column is surely other than in training, its
        own chance of a false finding will do, without that of the others.
        """
        strict, many = self._config, max(1, len(past.counts))
        loose = strict.model_copy(update={"significance": min(0.5, strict.significance * many)})
        moved = {item.name for item in found.columns if item.verdict == "drift"}
        measured = measure(past, seen)
        both = (
            judged(measured, seen, window.start, window.version, config)
            for config in (strict, loose)
        )
        return tuple(
            alone if alone.name in moved else item
            for item, alone in zip(*(each.columns for each in both), strict=True)
        )

    def _before(
        self, window: Window, reference: Reference
    ) -> tuple[dict[str, tuple[int, ...]], bool]:
        """Return the past's counts by column, and whether they are of the window's own bundle."""
        earlier = [item for item in self._state.past if item.start < window.start]
        own = [item for item in earlier if item.bundle == window.bundle]
        if own:
            return _sums((item.name, np.array(item.counts)) for item in own), True
        return _sums(self._rebinned(earlier, reference)), False

    def _rebinned(
        self, others: Sequence[Kept], reference: Reference
    ) -> Iterable[tuple[str, Counts]]:
        newest = others[-1].bundle if others else ""
        theirs = self._models.reference(newest)
        for item in others:
            known = item.name in reference.counts and theirs and item.name in theirs.counts
            if item.bundle != newest or not known or item.name in _OWN or is_relation(item.name):
                continue
            counts = np.array(item.counts)
            if item.name == CATEGORY:
                yield item.name, counts
            elif theirs:
                yield item.name, rebin(counts, theirs.grids[item.name], reference.grids[item.name])

    def _keep(self, window: Window, seen: Tally, found: WindowDrift) -> None:
        counted = [item for item in self._state.past if item.bundle == window.bundle]
        for item in _effective(found).columns:
            kept = [other.start for other in counted if other.name == item.name]
            room = len(kept) < self._config.baseline_windows and window.start not in kept
            if room and item.name != RATIO and item.verdict == "steady":
                counts = seen[item.name].tolist()
                self._state.past.append(Kept(window.start, window.bundle, item.name, counts))


def rebin(counts: Counts, old: Grid, new: Grid) -> Counts:
    """Return counts in the bins of another grid, as if values were even within each bin."""
    if old == new:
        return counts
    bins, missing, _ = bins_of(counts)
    points = np.array([old.minimum, *old.edges, old.maximum])
    rising = np.maximum.accumulate(points) + np.arange(len(points)) * 1e-12
    total = int(bins.sum())
    cuts = np.interp(new.edges, rising, np.concatenate([[0], np.cumsum(bins)]), left=0, right=total)
    shares = np.diff(np.rint(cuts), prepend=0, append=total)
    return np.array([*shares, missing, *counts[-2:]], dtype=np.int64)


def alarms_and_notes(
    windows: Sequence[WindowDrift], config: DriftConfig
) -> tuple[tuple[Alarm, ...], tuple[Alarm, ...]]:
    """Return what moved away from the earlier windows, and what differs from the training only.

    `windows` are those of one version, the oldest first. Where a column has moved, the relations
    that moved with it say nothing more.
    """
    raised = _told(alarms([_effective(window) for window in windows], config))
    names = {alarm.name for alarm in raised}
    notes = (alarm for alarm in _told(alarms(windows, config)) if alarm.name not in names)
    return raised, tuple(notes)


def _effective(window: WindowDrift) -> WindowDrift:
    """Return the window with the verdicts that an alarm rests on."""
    earlier = {item.name: item for item in window.earlier}
    judged = (_judged(item, earlier.get(item.name), window) for item in window.columns)
    return window.model_copy(update={"columns": tuple(judged)})


def _judged(item: ColumnDrift, earlier: ColumnDrift | None, window: WindowDrift) -> ColumnDrift:
    """Return the verdict on a column: what is broken needs no past, and what has shifted does.

    Against windows of an older version it must be other than the newer training rows too: a
    retrain may have learnt what had shifted before.
    """
    if item.verdict in {"collapsed", "too few"} or item.name == RATIO:
        return item
    if earlier is None:
        return item if item.fault else _steady(item)
    if earlier.verdict == "drift" and (window.beside == "own" or item.verdict == "drift"):
        return earlier
    return _steady(item)


def _steady(item: ColumnDrift) -> ColumnDrift:
    return item.model_copy(update={"verdict": "steady", "reasons": ()})


def _told(found: tuple[Alarm, ...]) -> tuple[Alarm, ...]:
    alone = tuple(alarm for alarm in found if not is_relation(alarm.name))
    return alone or found


def _sums(parts: Iterable[tuple[str, Counts]]) -> dict[str, tuple[int, ...]]:
    found: dict[str, Counts] = {}
    for name, counts in parts:
        found[name] = found[name] + counts if name in found else counts
    return {name: tuple(counts.tolist()) for name, counts in found.items()}
