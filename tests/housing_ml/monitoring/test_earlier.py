"""Drift is held against earlier quiet windows of the same traffic; training is worth a note."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from housing_ml.bundle.reference import LABELLED, describe, tally
from housing_ml.data.contract import COLUMNS
from housing_ml.monitoring.earlier import rebin
from tests.housing_ml.monitored_service import WEEKLY, MonitoredService

if TYPE_CHECKING:
    from pathlib import Path

    from housing_ml.data.contract import Matrix
    from housing_ml.monitoring.analysis import MonitorReport
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


def richer(raw: Matrix, actual: Vector, price: Vector) -> tuple[Matrix, Vector]:
    """Let incomes be 12 % higher."""
    del price
    raw[:, COLUMNS.index("median_income")] *= 1.12
    return raw, actual


def mixed_up(raw: Matrix, actual: Vector, price: Vector) -> tuple[Matrix, Vector]:
    """Give each row the households of the next."""
    del price
    raw[:, _PAIR[1]] = np.roll(raw[:, _PAIR[1]], 1)
    return raw, actual


def after(service: MonitoredService, week: int) -> MonitorReport:
    """What the monitor says once the window of that week, which ends on a Thursday, is over."""
    return service.monitor(week + 1, WEEKLY)


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
        report = after(service, week)
        assert not report.alarms
        assert not report.retraining.retrain

    assert {"population", "households", "total_rooms"} <= {note.name for note in report.notes}
    last = report.windows[-1]
    compared = {item.name for item in last.columns} - set(LABELLED)
    assert {item.name for item in last.earlier} == compared


def test_a_swapped_pair_of_columns_that_no_column_shows_is_an_alarm_in_its_second_week(
    service: MonitoredService, california: CaliforniaModel
) -> None:
    found = []
    for week in range(QUIET + 2):
        service.week(week, california.all_rows, fault=swapped if week >= QUIET else None)
        found.append(after(service, week))

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
        alarms = after(service, week).alarms
        found.append("housing_median_age" in {alarm.name for alarm in alarms})

    assert found == [False] * (QUIET + 1) + [True] * 4


def test_a_fault_in_the_first_week_of_all_needs_no_past(
    service: MonitoredService, california: CaliforniaModel
) -> None:
    for week in range(2):
        service.week(week, california.all_rows, fault=zeros)
    report = after(service, 1)

    assert report.windows[0].earlier == ()
    assert "housing_median_age" in {alarm.name for alarm in report.alarms}


def test_a_fault_in_the_third_week_of_traffic_by_population_is_an_alarm_in_the_fourth(
    service: MonitoredService, california: CaliforniaModel
) -> None:
    rows = california.all_rows
    weights = rows.raw[:, _POPULATION] / rows.raw[:, _POPULATION].sum()
    for week in range(4):
        service.week(week, rows, weights=weights, fault=richer if week >= 2 else None)
        report = after(service, week)
        assert bool(report.alarms) == (week == 3)

    assert "median_income" in {alarm.name for alarm in report.alarms}


def test_values_that_are_mixed_up_among_the_rows_are_an_alarm_though_no_column_moves(
    service: MonitoredService, california: CaliforniaModel
) -> None:
    for week in range(4):
        service.week(week, california.all_rows, fault=mixed_up if week >= 2 else None)
        report = after(service, week)
        assert bool(report.alarms) == (week == 3)

    assert not {alarm.name for alarm in report.alarms} & set(COLUMNS)


@pytest.mark.parametrize("shift", [0.0, 0.3])
def test_counts_in_other_bins_are_about_those_of_the_values(shift: float) -> None:
    random = np.random.default_rng(0)
    values = random.normal(10, 2, 20_000)
    old, new = (
        describe(_column(random.normal(10 + part, 2, 5000)), np.ones(5000), np.ones(5000))
        for part in (0.0, shift)
    )

    name = "median_income"
    counted = tally(old, {name: values})[name]
    found = rebin(counted, old.grids[name], new.grids[name])
    expected = tally(new, {name: values})[name]

    assert found[:-2].sum() == 20_000
    assert np.abs(np.cumsum(found[:-3]) - np.cumsum(expected[:-3])).max() < 0.01 * 20_000


def _column(values: Vector) -> Matrix:
    raw = np.ones((len(values), len(COLUMNS)))
    raw[:, COLUMNS.index("median_income")] = values
    return raw
