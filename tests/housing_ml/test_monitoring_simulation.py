"""Simulated weeks: what is sent, and that the monitor finds each fault in what a service logs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, get_args

import httpx
import msgspec
import numpy as np
import pytest

from housing_ml.contract import COLUMNS, TARGET, BlockGroup, to_matrix
from housing_ml.monitoring.analysis import analyse
from housing_ml.monitoring.config import MonitorConfig
from housing_ml.monitoring.feedback import Batch, FeedbackRequest
from housing_ml.monitoring.reference import REFERENCE, describe
from housing_ml.monitoring.simulation import Fault, SimulationConfig, apply_fault, simulate
from housing_ml.releases import LocalReleases, Release, TrainingData, move_channels
from serve import parquet
from serve.segments import Entry, to_columns

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

START = datetime(2026, 1, 5, tzinfo=UTC)
FOUND_BY: dict[Fault, str] = {
    "income": "median_income",
    "category": "ocean_proximity",
    "inland": "actual_over_predicted",
    "zeros": "housing_median_age",
}


class _Request(msgspec.Struct):
    instances: list[BlockGroup]


class WeeklyService:
    """Answers as the service does, logs as it does, and lives a week between two windows.

    Its prices are the true ones of the block group, with the error of a good model.
    """

    def __init__(self, folder: Path, frame: pd.DataFrame) -> None:
        self.storage = LocalReleases(folder)
        self.week = 0
        self.requests = 0
        self._random = np.random.default_rng(3)
        raw, actual = to_matrix(frame), frame[TARGET].to_numpy()
        places = zip(raw[:, 0], raw[:, 1], raw[:, 3], raw[:, 5], strict=True)
        self._prices = dict(zip(places, actual, strict=True))
        reference = describe(raw, self._priced(raw), actual).to_json()
        self.storage.write(f"bundles/{'0' * 64}/{REFERENCE}", reference)
        release = Release(
            version="1",
            bundle="0" * 64,
            model="histogram_gradient_boosting",
            metrics={"wmape": 0.14, "coverage": 0.9},
            data=TrainingData(digest="0" * 64, rows=len(raw), synthetic=False),
            promoted_at=START.isoformat(),
            promoted_by="test",
            reason="test",
        )
        move_channels(self.storage, lambda _: {"champion": release}, if_generation=0)

    @property
    def now(self) -> datetime:
        return START + timedelta(weeks=self.week)

    def client(self) -> httpx.Client:
        transport = httpx.MockTransport(self._answer)
        return httpx.Client(transport=transport, base_url="http://service")

    def wait(self, _: float) -> None:
        self.week += 1

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests += 1
        folder = f"date={self.now.date()}/{self.requests}"
        if request.url.path == "/api/v1/feedback":
            received = msgspec.json.decode(request.content, type=FeedbackRequest).instances
            batch = msgspec.json.encode(Batch(self.now.timestamp(), tuple(received)))
            self.storage.write(f"feedback/{folder}.json", batch)
            return httpx.Response(202)
        raw = to_matrix(msgspec.json.decode(request.content, type=_Request).instances)
        price = self._priced(raw)
        ids = [f"{self.requests}-{row}" for row in range(len(raw))]
        numbers = np.column_stack([raw, price, 0.74 * price, 1.35 * price]).tobytes()
        entry = Entry(self.now.timestamp() + 60, "1", "champion", ids, numbers)
        self.storage.write(f"predictions/{folder}.parquet", parquet.encode(to_columns([entry])))
        predictions = [{"prediction_id": name} for name in ids]
        return httpx.Response(200, json={"predictions": predictions, "model_version": "1"})

    def _priced(self, raw: np.ndarray) -> np.ndarray:
        places = zip(raw[:, 0], raw[:, 1], raw[:, 3], raw[:, 5], strict=True)
        actual = np.array([self._prices[place] for place in places])
        return actual * np.exp(self._random.normal(0, 0.17, len(actual)))


@pytest.mark.parametrize("fault", FOUND_BY)
def test_the_monitor_finds_each_fault_within_three_weeks_and_nothing_before(
    fault: Fault, tmp_path: Path, housing_frame: pd.DataFrame
) -> None:
    service = WeeklyService(tmp_path, housing_frame)
    plan = SimulationConfig(fault=fault, windows=6, fault_from=2, rows=1500, seconds=0)
    weekly = MonitorConfig(window_minutes=7 * 24 * 60)

    result = simulate(plan, housing_frame, service.client(), service.wait)

    assert result.versions == ("1",)
    assert result.predictions <= 6 * 1500
    assert result.feedback == pytest.approx(result.predictions / 2, abs=6)
    before, after = (
        analyse(service.storage, weekly, START + timedelta(weeks=weeks)) for weeks in (2, 5)
    )
    assert not before.alert
    assert FOUND_BY[fault] in {alarm.name for alarm in after.alarms}
    assert after.retraining.retrain


def test_every_fault_can_be_chosen_and_has_a_test() -> None:
    assert set(get_args(Fault)) == {"none", *FOUND_BY}


def test_no_fault_changes_the_rows_it_was_given(housing_frame: pd.DataFrame) -> None:
    raw, actual = to_matrix(housing_frame), housing_frame[TARGET].to_numpy()
    before = raw.copy(), actual.copy()

    for fault in get_args(Fault):
        apply_fault(raw, actual, fault)

    np.testing.assert_array_equal(raw, before[0])
    np.testing.assert_array_equal(actual, before[1])


def test_faults_do_what_they_say(housing_frame: pd.DataFrame) -> None:
    raw, actual = to_matrix(housing_frame), housing_frame[TARGET].to_numpy()
    income, inland = COLUMNS.index("median_income"), raw[:, -1] == 1

    assert apply_fault(raw, actual, "none")[1] is actual
    assert apply_fault(raw, actual, "income")[0][:, income] == pytest.approx(1.08 * raw[:, income])
    assert apply_fault(raw, actual, "inland")[1][inland] == pytest.approx(2 * actual[inland])
    assert not (apply_fault(raw, actual, "category")[0][:, -1] == 3).any()


def test_a_service_that_refuses_is_an_error(housing_frame: pd.DataFrame) -> None:
    refuse = httpx.MockTransport(lambda _: httpx.Response(503))
    with (
        httpx.Client(transport=refuse, base_url="http://service") as client,
        pytest.raises(httpx.HTTPStatusError, match="503"),
    ):
        simulate(SimulationConfig(windows=1), housing_frame, client)
