"""Have the rows moved away from those of training? Pure: counts in, verdicts with reasons out.

A verdict needs an effect that matters (population stability index, Wasserstein distance, rates)
and evidence that it is no accident (Kolmogorov-Smirnov or chi-square, corrected for the number of
columns): in a large sample any p-value is small, and in a small one any index is large. An alarm
needs windows in a row that agree.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from pydantic import Field
from scipy.special import ndtri

from housing_ml.bundle.joint import is_relation
from housing_ml.bundle.reference import LABELLED, PRICE, bins_of, rows_of
from housing_ml.data.contract import CATEGORY
from housing_ml.monitoring import intervals
from housing_ml.monitoring.distances import (
    Difference,
    chi_square,
    deciles,
    holm,
    kolmogorov_smirnov,
    psi,
    wasserstein,
)
from housing_ml.records.base import Record

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from housing_ml.bundle.reference import Counts, Reference, Tally
    from housing_ml.config.monitoring import DriftConfig

Verdict = Literal["steady", "drift", "collapsed", "too few"]


class ColumnDrift(Record):
    """One column of one window against the training rows."""

    name: str
    rows: int = Field(ge=0)
    test: Literal["Kolmogorov-Smirnov", "chi-square"]
    statistic: float = Field(ge=0, description="Of the test.")
    p_value: float = Field(ge=0, le=1, description="Corrected for the number of columns.")
    psi: float = Field(ge=0, description="Population stability index.")
    distance: float | None = Field(
        description="Wasserstein distance in standard deviations; none for categories."
    )
    missing: float = Field(ge=0, le=1, description="Share of values that are missing.")
    outside: float = Field(
        ge=0, le=1, description="Share outside the training range, or of unknown categories."
    )
    verdict: Verdict
    fault: bool = Field(
        default=False,
        description="Whether values are missing, or lie where training had none: no traffic does "
        "that by its nature.",
    )
    reasons: tuple[str, ...] = Field(description="What moved, in sentences; empty when steady.")


class WindowDrift(Record):
    """All columns of one window of one model version."""

    start: datetime
    version: str
    rows: int = Field(ge=0)
    columns: tuple[ColumnDrift, ...]
    earlier: tuple[ColumnDrift, ...] = Field(
        default=(),
        description="Its columns against earlier quiet windows of the same traffic, where there "
        "are any.",
    )
    beside: Literal["own", "older version"] | None = Field(
        default=None, description="Whose those windows are."
    )
    unfamiliar: float | None = Field(
        default=None,
        description="Share of a sample of its rows that lie far from every training row, or are "
        "unlike all of them; none where nobody looked.",
    )

    def moved(self) -> tuple[ColumnDrift, ...]:
        """Return the columns that drifted or collapsed."""
        return tuple(item for item in self.columns if item.verdict in {"drift", "collapsed"})


class Alarm(Record):
    """A column that moved and stayed so, or an output that collapsed."""

    name: str
    windows: int = Field(ge=1, description="Windows in a row that agree.")
    reasons: tuple[str, ...]


class Measured(NamedTuple):
    """How far a column is from a reference."""

    name: str
    rows: int
    test: Difference
    psi: float
    distance: float | None
    missing: int
    missing_before: float
    outside: int
    outside_before: float
    fullest: float
    """Share of the fullest bin."""


def compare(
    reference: Reference, seen: Tally, start: datetime, version: str, config: DriftConfig
) -> WindowDrift:
    """Judge each column of a window against the training rows.

    Columns of `seen` that the reference does not have are left out.
    """
    measured = measure(reference, seen)
    return judged(measured, seen, start, version, config)


def measure(reference: Reference, seen: Tally) -> tuple[Measured, ...]:
    """Measure each column of a window that the reference has, before any judgement."""
    return tuple(
        _measure(reference, name, counts, seen[name])
        for name, counts in reference.tally().items()
        if name in seen
    )


def judged(
    measured: Sequence[Measured], seen: Tally, start: datetime, version: str, config: DriftConfig
) -> WindowDrift:
    """Judge what was measured of a window's columns."""
    corrected = holm([item.test.p_value for item in measured])
    columns = (_judge(item, p, config) for item, p in zip(measured, corrected, strict=True))
    return WindowDrift(
        start=start,
        version=version,
        rows=rows_of(seen[CATEGORY], category=True),
        columns=tuple(columns),
    )


def alarms(windows: Sequence[WindowDrift], config: DriftConfig) -> tuple[Alarm, ...]:
    """Return what the last windows of one version, the oldest first, agree on.

    A window without a verdict on a column counts neither way. Collapsed output needs no second
    window.
    """
    names = dict.fromkeys(item.name for window in windows for item in window.columns)
    found = (_alarm(name, windows, config) for name in names)
    return tuple(alarm for alarm in found if alarm)


def _alarm(name: str, windows: Sequence[WindowDrift], config: DriftConfig) -> Alarm | None:
    judged = [
        item
        for window in windows
        for item in window.columns
        if item.name == name and item.verdict != "too few"
    ]
    streak = 0
    for item in reversed(judged):
        if item.verdict == "steady":
            break
        streak += 1
    if not streak or (streak < config.persistence and judged[-1].verdict != "collapsed"):
        return None
    return Alarm(name=name, windows=streak, reasons=judged[-1].reasons)


def _measure(reference: Reference, name: str, before: Counts, seen: Counts) -> Measured:
    rows = rows_of(seen, category=name == CATEGORY)
    if name == CATEGORY:
        return Measured(
            name=name,
            rows=rows,
            test=chi_square(before, seen),
            psi=psi(before, seen),
            distance=None,
            missing=0,
            missing_before=0.0,
            outside=int(seen[-1]),
            outside_before=before[-1] / max(1, before.sum()),
            fullest=0.0,
        )
    (bins, missing, outside), (old, old_missing, old_outside) = bins_of(seen), bins_of(before)
    rows_before = max(1, int(old.sum()) + old_missing)
    groups = deciles(old)
    return Measured(
        name=name,
        rows=rows,
        test=kolmogorov_smirnov(old, bins),
        psi=psi(np.append(groups(old), old_missing), np.append(groups(bins), missing)),
        distance=wasserstein(reference.grids[name], old, bins),
        missing=missing,
        missing_before=old_missing / rows_before,
        outside=outside,
        outside_before=old_outside / rows_before,
        fullest=float(bins.max() / max(1, rows)),
    )


def _judge(item: Measured, p_value: float, config: DriftConfig) -> ColumnDrift:
    faults = tuple(_faults(item, config))
    reasons = (*_shifts(item, p_value, config), *faults)
    least = config.minimum_labelled if item.name in LABELLED else config.minimum_rows
    verdict: Verdict = "drift" if reasons else "steady"
    if item.rows < least:
        verdict, reasons = "too few", (f"{item.rows:,} rows, and a verdict needs {least:,}",)
    elif item.name == PRICE and item.fullest >= config.collapsed:
        verdict = "collapsed"
        reasons = (f"{item.fullest:.0%} of the predictions are nearly the same", *reasons)
    return ColumnDrift(
        name=item.name,
        rows=item.rows,
        test="chi-square" if item.distance is None else "Kolmogorov-Smirnov",
        statistic=item.test.statistic,
        p_value=p_value,
        psi=item.psi,
        distance=item.distance,
        missing=item.missing / max(1, item.rows),
        outside=item.outside / max(1, item.rows),
        verdict=verdict,
        fault=bool(faults),
        reasons=reasons,
    )


def _shifts(item: Measured, p_value: float, config: DriftConfig) -> Iterator[str]:
    if item.rows and p_value < config.significance:
        if item.psi >= config.psi:
            yield f"stability index {item.psi:.2f}, from {config.psi} on it has moved"
        if item.distance is not None and item.distance >= config.distance:
            yield (
                f"{item.distance:.2f} standard deviations away, "
                f"from {config.distance} on it has moved"
            )


def _faults(item: Measured, config: DriftConfig) -> Iterator[str]:
    if not item.rows:
        return
    z = float(ndtri(1 - config.significance / 10))  # about ten columns share the chance
    if intervals.share(item.missing, item.rows, z).low > item.missing_before + config.missing:
        yield f"{item.missing / item.rows:.1%} missing, {item.missing_before:.1%} before"
    beyond_before = item.outside_before + config.outside
    if (
        not is_relation(item.name)
        and intervals.share(item.outside, item.rows, z).low > beyond_before
    ):
        what = "of unknown categories" if item.name == CATEGORY else "outside the training range"
        yield f"{item.outside / item.rows:.1%} {what}"
