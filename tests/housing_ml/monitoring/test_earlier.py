"""Drift is held against earlier quiet windows of the same traffic; training is worth a note."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from housing_ml.data.contract import COLUMNS
from tests.housing_ml.monitored_service import WEEKLY, MonitoredService

if TYPE_CHECKING:
    from pathlib import Path

    from housing_ml.data.contract import Matrix
    from tests.housing_ml.conftest import CaliforniaModel
    from tests.housing_ml.monitored_service import Vector

QUIET = 4
_POPULATION = COLUMNS.index("population")
_AGE = COLUMNS.index("housing_median_age")
_PAIR = [COLUMNS.index("total_bedrooms"), COLUMNS.index("households")]


def swapped(raw: Matrix, actual: Vector, price: Vector) -> tuple[Matrix, Vector]:
    """Exchange bedrooms and households, which are nearly equally many."""
    del price
    whole = np.isfinite(raw).all(axis=1)
    raw[whole] = raw[whole][:, _order(_PAIR)]
    return raw, actual


def zeros(raw: Matrix, actual: Vector, price: Vector) -> tuple[Matrix, Vector]:
    """Let the age of the houses be 0."""
    del price
    raw[:, _AGE] = 0.0
    return raw, actual


def _order(pair: list[int]) -> list[int]:
    order = list(range(len(COLUMNS)))
    order[pair[0]], order[pair[1]] = pair[1], pair[0]
    return order


@pytest.fixture
def service(tmp_path: Path, california: CaliforniaModel) -> MonitoredService:
    """A real model whose traffic begins."""
    return MonitoredService(tmp_path, california.bundle, california.holdout)


def test_traffic_by_population_is_other_than_training_every_week_and_no_alarm(
    service: MonitoredService, california: CaliforniaModel
) -> None:
    """No retrain can mend that people live in cities."""
    rows = california.all_rows
    weights = rows.raw[:, _POPULATION] / rows.raw[:, _POPULATION].sum()
    for week in range(8):
        service.week(week, rows, weights=weights)
        report = service.monitor(week, WEEKLY)
        assert not report.alarms
        assert not report.retraining.retrain

    assert {"population", "households", "total_rooms"} <= {note.name for note in report.notes}
    assert len(report.windows[-1].earlier) == len(report.windows[-1].columns)


def test_a_swapped_pair_of_columns_that_no_column_shows_is_an_alarm_in_its_second_week(
    service: MonitoredService, california: CaliforniaModel
) -> None:
    found = []
    for week in range(QUIET + 2):
        service.week(week, california.all_rows, fault=swapped if week >= QUIET else None)
        found.append(service.monitor(week, WEEKLY))

    assert [bool(report.alarms) for report in found] == [False] * (QUIET + 1) + [True]
    names = {alarm.name for alarm in found[-1].alarms}
    assert not names & set(COLUMNS)
    assert any("total_bedrooms" in name for name in names)


def test_a_fault_is_an_alarm_in_its_second_week_and_does_not_become_the_past(
    service: MonitoredService, california: CaliforniaModel
) -> None:
    found = []
    for week in range(QUIET + 5):
        service.week(week, california.all_rows, fault=zeros if week >= QUIET else None)
        alarms = service.monitor(week, WEEKLY).alarms
        found.append("housing_median_age" in {alarm.name for alarm in alarms})

    assert found == [False] * (QUIET + 1) + [True] * 4


def test_the_first_week_of_all_is_held_against_nothing_but_training(
    service: MonitoredService, california: CaliforniaModel
) -> None:
    service.week(0, california.all_rows, fault=zeros)
    service.week(1, california.all_rows, fault=zeros)
    report = service.monitor(1, WEEKLY)

    assert report.windows[0].earlier == ()
    assert not report.alarms
    assert "housing_median_age" in {note.name for note in report.notes}
