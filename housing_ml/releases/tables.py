"""What people read of releases: history and comparison as rows of a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from housing_ml.reporting.markdown import amount

if TYPE_CHECKING:
    from collections.abc import Sequence

    from housing_ml.releases.comparison import Comparison
    from housing_ml.releases.records import Event
    from housing_ml.reporting.markdown import Row

_DOLLARS = ("rmse", "mae")


def history_rows(events: Sequence[Event]) -> list[Row]:
    """Return the events, the latest first."""
    return [
        {
            "when (UTC)": event.at[:19].replace("T", " "),
            "what": event.kind,
            "version": event.version,
            "who": event.by,
            "why": event.reason.replace("|", "/"),
            "bundle": event.bundle[:12],
        }
        for event in reversed(events)
    ]


def comparison_rows(comparison: Comparison) -> list[Row]:
    """Return each metric of both releases with the interval of their difference."""
    first, second = comparison.first, comparison.second
    confidence = comparison.wmape.confidence
    return [
        {
            "metric": name,
            f"version {first.version}": amount(name, getattr(first.metrics, name)),
            f"version {second.version}": amount(name, getattr(second.metrics, name)),
            f"difference ({confidence:.0%})": " to ".join(_signed(name, end) for end in interval),
        }
        for name, interval in comparison.intervals.items()
    ]


def _signed(metric: str, value: float) -> str:
    if metric in _DOLLARS:
        return f"{value:+,.0f} $"
    return f"{value:+.4f}" if metric == "r2" else f"{100 * value:+.2f} points"
