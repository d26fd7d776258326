"""A glance at the live error: the last weeks in a line, whatever the report holds."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from housing_ml.monitoring.trend import DAYS, REPORTS, live_error
from housing_ml.reporting.sparkline import sparkline
from housing_ml.storage.versioned import LocalReleases

if TYPE_CHECKING:
    from pathlib import Path


def report(tmp_path: Path, days: list[dict[str, Any]], *, alert: bool = False) -> str:
    storage = LocalReleases(tmp_path)
    document = {"at": "2026-11-23T02:00:00Z", "alert": alert, "performance": days, "more": 1}
    storage.write(f"{REPORTS}/20261123T020000Z.json", json.dumps(document).encode())
    return live_error(storage)


def day(number: int, wmape: float | None) -> dict[str, Any]:
    estimates = None if wmape is None else {"wmape": [wmape, wmape - 0.01, wmape + 0.01]}
    return {"kind": "day", "name": f"2026-10-{number:02d}", "rows": 9, "estimates": estimates}


def test_the_last_weeks_are_drawn_with_the_last_figure(tmp_path: Path) -> None:
    days = [day(number, 0.1 + number / 1000) for number in range(1, 31)]
    said = report(tmp_path, [{"kind": "all", "name": "all", "estimates": None}, *days])

    drawn = said.partition(": ")[2].partition(" ")[0]
    assert len(drawn) == DAYS
    assert (drawn[0], drawn[-1]) == ("▁", "█")
    assert "13.0% on 2026-10-30" in said
    assert "2026-11-23T02:00, was quiet" in said


def test_days_without_prices_are_gaps_and_an_alert_is_said(tmp_path: Path) -> None:
    said = report(tmp_path, [day(1, 0.1), day(2, None), day(3, 0.2), day(4, None)], alert=True)
    assert "▁ █" in said
    assert "20.0% on 2026-10-03" in said
    assert "raised an alert" in said


def test_no_report_no_prices_and_a_damaged_report_are_said(tmp_path: Path) -> None:
    assert "no report of the monitor yet" in live_error(LocalReleases(tmp_path))
    assert "too few known prices" in report(tmp_path, [day(1, None)])
    LocalReleases(tmp_path).write(f"{REPORTS}/20261124T020000Z.json", b"{")
    assert "cannot be read" in live_error(LocalReleases(tmp_path))


@given(st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=40))
def test_a_drawing_keeps_the_order_of_values(values: list[float | None]) -> None:
    drawn = sparkline(values)
    assert len(drawn) == len(values)
    known = sorted((v, c) for v, c in zip(values, drawn, strict=True) if v is not None)
    assert [c for _, c in known] == sorted(c for _, c in known)
