"""Rows that the champion was trained on say nothing of how it does on others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from housing_ml.bundle.model import FEATURES
from housing_ml.data.contract import COLUMNS
from housing_ml.monitoring.known_rows import KnownRows
from tests.housing_ml.monitored_service import WEEKLY, MonitoredService

if TYPE_CHECKING:
    from pathlib import Path

    from housing_ml.data.contract import Matrix
    from tests.housing_ml.conftest import CaliforniaModel
    from tests.housing_ml.monitored_service import Vector

BRIEF = WEEKLY.model_copy(update={"windows": 9})
WEEKS = 30


def quarter_more_error(raw: Matrix, actual: Vector, price: Vector) -> tuple[Matrix, Vector]:
    """Let each true price be a quarter further from the model's."""
    return raw, np.maximum(price + 1.25 * (actual - price), 10_000)


@pytest.fixture(scope="module")
def known(california: CaliforniaModel) -> KnownRows:
    """The training rows, as the published bundle tells them."""
    return KnownRows(california.bundle.files()[FEATURES])


def test_every_training_row_is_known_and_nearly_no_other(
    known: KnownRows, california: CaliforniaModel
) -> None:
    assert known.of(california.train.raw).mean() > 0.995
    assert known.of(california.holdout.raw).mean() < 0.005


@pytest.mark.parametrize("column", ["median_income", "housing_median_age", "population"])
def test_a_training_row_is_known_although_a_column_arrives_damaged(
    known: KnownRows, california: CaliforniaModel, column: str
) -> None:
    """Its own price is among its neighbours' all the same."""
    raw = california.train.raw.copy()
    raw[:, COLUMNS.index(column)] *= 1.08

    assert known.of(raw).mean() > 0.99


def test_what_is_no_bundle_is_refused() -> None:
    with pytest.raises(ValueError, match="no features"):
        KnownRows(b"{}")


@pytest.mark.parametrize("seed", range(3))
def test_thirty_quiet_weeks_over_all_of_california_are_quiet(
    tmp_path: Path, california: CaliforniaModel, seed: int
) -> None:
    """Four of five of the rows are training rows, on which the model looks a third better."""
    service = MonitoredService(tmp_path, california.bundle, california.holdout, seed)
    alerts = []
    for week in range(WEEKS):
        service.week(week, california.all_rows)
        alerts.append(service.monitor(week, BRIEF).alert)
    report = service.monitor(WEEKS - 1, BRIEF)

    assert sum(alerts) <= 1
    assert not report.retraining.retrain
    assert report.trained_on > 3 * report.labelled
    overall = report.performance[0]
    assert overall.estimates is not None
    assert overall.foreseen is not None
    assert overall.foreseen.low < overall.estimates.wmape.value < overall.foreseen.high


@pytest.mark.parametrize("seed", range(3))
def test_errors_a_quarter_larger_are_found_within_ten_weeks(
    tmp_path: Path, california: CaliforniaModel, seed: int
) -> None:
    service = MonitoredService(tmp_path, california.bundle, california.holdout, seed)
    found = []
    for week in range(13):
        service.week(week, california.all_rows, fault=quarter_more_error if week >= 3 else None)
        report = service.monitor(week, BRIEF)
        found.append(report.alert)

    assert not any(found[:4])  # the first wrong prices are known in the week after
    assert found[-1]
    assert report.live_error
