"""The live error of the last weeks in a line, from the monitor's last report.

It reads no more of the report than it shows, so that a glance loads none of what the monitor needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from housing_ml.reporting.sparkline import sparkline

if TYPE_CHECKING:
    from housing_ml.storage.versioned import ReleaseStorage

REPORTS = "monitoring/reports"
DAYS = 28
"""How far back the line goes."""


class _Estimates(msgspec.Struct):
    wmape: list[float]


class _Group(msgspec.Struct):
    kind: str
    name: str
    estimates: _Estimates | None = None


class _Report(msgspec.Struct):
    at: str
    alert: bool
    performance: list[_Group] = []


class LastReport(NamedTuple):
    """The monitor's last report: its name in the storage, and its JSON."""

    name: str
    content: bytes


def last_report(storage: ReleaseStorage) -> LastReport | None:
    """Return the monitor's last report, or None when there is none.

    Raises:
        ReleaseError: when the storage cannot be read.
    """
    names = [name for name in storage.names(REPORTS) if name.endswith(".json")]
    found = storage.read(names[-1]) if names else None
    return LastReport(names[-1], found.content) if found else None


def live_error(storage: ReleaseStorage) -> str:
    """Return the wMAPE of the last days with a known one, drawn and in figures, in a sentence.

    Raises:
        ReleaseError: when the storage cannot be read.
    """
    last = last_report(storage)
    if last is None:
        return "Live wMAPE: no report of the monitor yet; see `housing monitor`."
    try:
        report = msgspec.json.decode(last.content, type=_Report)
    except msgspec.DecodeError:
        return f"Live wMAPE: the report {last.name} cannot be read; run `housing monitor`."
    days = sorted((group for group in report.performance if group.kind == "day"), key=_name)[-DAYS:]
    errors = [day.estimates.wmape[0] if day.estimates else None for day in days]
    state = "raised an alert" if report.alert else "was quiet"
    known = [
        (day.name, error) for day, error in zip(days, errors, strict=True) if error is not None
    ]
    if not known:
        return f"Live wMAPE: too few known prices; the last report, {report.at[:16]}, {state}."
    day, error = known[-1]
    return (
        f"Live wMAPE by day: {sparkline(errors)} {error:.1%} on {day}; the last report, "
        f"{report.at[:16]}, {state}."
    )


def _name(group: _Group) -> str:
    return group.name
