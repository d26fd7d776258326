"""Simulated weeks: what is sent, and that the monitor finds each fault in what a service logs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, get_args

import httpx
import msgspec
import numpy as np
import pytest

from housing_ml.bundle.manifest import Provenance
from housing_ml.bundle.reference import REFERENCE, describe
from housing_ml.config.choices import FeatureParameters
from housing_ml.config.modelling import TrainingConfig
from housing_ml.config.monitoring import MonitorConfig
from housing_ml.data.contract import COLUMNS, IDENTITY, TARGET, BlockGroup, to_matrix
from housing_ml.feedback.actual_prices import Batch, FeedbackRequest
from housing_ml.feedback.labelled_rows import labelled_rows, merge
from housing_ml.monitoring.analysis import analyse
from housing_ml.monitoring.drift import alarms
from housing_ml.monitoring.simulation import Fault, SimulationConfig, apply_fault, simulate
from housing_ml.releases.channels import move_channels, read_channels
from housing_ml.releases.records import Release, TrainingData
from housing_ml.storage.versioned import LocalReleases
from serve.prediction_log import parquet
from serve.prediction_log.segments import Entry, to_columns
from tests.once import train_once

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import TypeAlias

    import pandas as pd
    from numpy.typing import NDArray

    from housing_ml.bundle.reference import Reference
    from housing_ml.data.contract import Matrix
    from housing_ml.monitoring.analysis import MonitorReport

    Vector: TypeAlias = NDArray[np.float64]
    Pricing: TypeAlias = Callable[[Matrix], Vector]

IDENTIFYING = [COLUMNS.index(name) for name in IDENTITY if name != "housing_median_age"]
"""Columns that no fault changes."""
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
    """Answers as the service does, logs as it does, and lives a week between two windows."""

    def __init__(self, folder: Path) -> None:
        self.storage = LocalReleases(folder)
        self.week = 0
        self.requests = 0

    def promote(self, version: str, price: Pricing, reference: Reference) -> None:
        """Serve another model from now on."""
        self.version, self._price = version, price
        self.storage.write(f"bundles/bundle-{version}/{REFERENCE}", reference.to_json())
        release = Release(
            version=version,
            bundle=f"bundle-{version}",
            model="histogram_gradient_boosting",
            metrics={"wmape": 0.15, "coverage": 0.9},
            data=TrainingData(digest="0" * 64, rows=1, synthetic=False),
            promoted_at=self.now.isoformat(),
            promoted_by="test",
            reason="test",
        )
        _, generation = read_channels(self.storage)
        move_channels(self.storage, lambda _: {"champion": release}, if_generation=generation)

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
        price = self._price(raw)
        ids = [f"{self.requests}-{row}" for row in range(len(raw))]
        numbers = np.column_stack([raw, price, 0.74 * price, 1.35 * price]).tobytes()
        entry = Entry(self.now.timestamp() + 60, self.version, "champion", ids, numbers)
        self.storage.write(f"predictions/{folder}.parquet", parquet.encode(to_columns([entry])))
        predictions = [{"prediction_id": name} for name in ids]
        document = {"predictions": predictions, "model_version": self.version}
        return httpx.Response(200, json=document)

    def report(self, weeks: int) -> MonitorReport:
        """Return what the monitor says at the start of a week."""
        weekly = MonitorConfig(window_minutes=7 * 24 * 60)
        return analyse(self.storage, weekly, START + timedelta(weeks=weeks))


@pytest.fixture
def service(tmp_path: Path, housing_frame: pd.DataFrame) -> WeeklyService:
    """A service whose prices are the true ones of the block group, with a good model's error."""
    random = np.random.default_rng(3)
    raw, actual = to_matrix(housing_frame), housing_frame[TARGET].to_numpy()
    truth = dict(zip(map(bytes, raw[:, IDENTIFYING]), actual.tolist(), strict=True))

    def price(rows: Matrix) -> Vector:
        known = np.array([truth[bytes(row)] for row in rows[:, IDENTIFYING]])
        return known * np.exp(random.normal(0, 0.17, len(rows)))

    service = WeeklyService(tmp_path)
    service.promote("1", price, describe(raw, price(raw), actual))
    return service


@pytest.mark.parametrize("fault", FOUND_BY)
def test_the_monitor_finds_each_fault_within_three_weeks_and_nothing_before(
    fault: Fault, service: WeeklyService, housing_frame: pd.DataFrame
) -> None:
    plan = SimulationConfig(fault=fault, windows=6, fault_from=2, rows=1500, seconds=0)

    result = simulate(plan, housing_frame, service.client(), service.wait)

    assert result.versions == ("1",)
    assert result.predictions <= 6 * 1500
    assert result.feedback == pytest.approx(result.predictions / 2, abs=6)
    assert not service.report(2).alert
    after = service.report(5)
    assert FOUND_BY[fault] in {alarm.name for alarm in after.alarms}
    assert after.retraining.retrain


def test_thirty_quiet_weeks_raise_at_most_one_alarm(
    service: WeeklyService, housing_frame: pd.DataFrame
) -> None:
    plan = SimulationConfig(windows=30, rows=1500, seconds=0, seed=5)

    simulate(plan, housing_frame, service.client(), service.wait)

    report = service.report(30)
    config = MonitorConfig().drift
    raised = [bool(alarms(report.windows[:week], config)) for week in range(1, 31)]
    assert len(report.windows) == 30
    assert sum(raised) <= 1
    assert not report.live_error
    assert not any(raised), "nobody is told of quiet weeks"


def test_people_are_told_of_zeros_once_after_their_second_week(
    service: WeeklyService, housing_frame: pd.DataFrame
) -> None:
    plan = SimulationConfig(fault="zeros", windows=6, fault_from=2, rows=1500, seconds=0)
    told = []

    def look(seconds: float) -> None:
        service.wait(seconds)
        if service.report(service.week).news:
            told.append(service.week)

    simulate(plan, housing_frame, service.client(), look)
    assert told == [4]
    assert service.report(6).alert


def model(frame: pd.DataFrame, kept: pytest.Cache) -> tuple[Pricing, Reference]:
    """Train a small model, and describe its training rows."""
    raw, actual = to_matrix(frame), frame[TARGET].to_numpy()
    bundle = train_once(
        kept,
        raw,
        actual,
        FeatureParameters(imputer="median", clusters=0),
        "histogram_gradient_boosting",
        {"max_iter": 60, "learning_rate": 0.2},
        TrainingConfig(folds=2),
        Provenance(data_digest="0" * 64, rows=len(frame), synthetic=False),
    ).bundle
    price = bundle.predict_matrix(raw).price
    return (lambda rows: bundle.predict_matrix(rows).price), describe(raw, price, actual)


def test_the_loop_closes_prices_double_a_retrain_learns_them_and_the_error_is_down_again(
    tmp_path: Path, housing_frame: pd.DataFrame, pytestconfig: pytest.Config
) -> None:
    service = WeeklyService(tmp_path)
    service.promote("1", *model(housing_frame[::4], pytestconfig.cache))
    everything = SimulationConfig(
        fault="inland",
        fault_from=0,
        windows=1,
        rows=len(housing_frame),
        seconds=0,
        feedback_share=1,
        feedback_delay=0,
    )

    simulate(everything, housing_frame, service.client(), service.wait)
    broken = service.report(service.week)
    assert "live wMAPE" in broken.live_error[0]
    assert broken.retraining.retrain

    merged, origin = merge(housing_frame, labelled_rows(service.storage, 30, service.now))
    assert origin.replaced > 0.97 * len(housing_frame)  # prices far beyond the interval wait
    service.promote("2", *model(merged[::4], pytestconfig.cache))
    later = everything.model_copy(update={"rows": 3000, "seed": 7})
    simulate(later, housing_frame, service.client(), service.wait)
    mended = service.report(service.week)

    errors = {item.name: item.estimates for item in mended.performance if item.kind == "version"}
    old, new = errors["1"], errors["2"]
    assert old is not None
    assert new is not None
    assert new.wmape.high < 0.75 * old.wmape.low
    assert mended.champion == "2"
    assert not mended.live_error


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
