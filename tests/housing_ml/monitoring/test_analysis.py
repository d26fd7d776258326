"""A run of the monitor over a log as the service writes it, with late feedback and real rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np
import pytest

from housing_ml.bundle.reference import REFERENCE, describe
from housing_ml.config.data import SplitConfig
from housing_ml.config.monitoring import MonitorConfig
from housing_ml.data.contract import COLUMNS, TARGET, to_matrix
from housing_ml.data.split import split
from housing_ml.feedback import actual_prices as feedback
from housing_ml.feedback.actual_prices import Batch, Feedback
from housing_ml.monitoring.analysis import MonitorReport, analyse
from housing_ml.releases.channels import move_channels, read_channels, record_event
from housing_ml.releases.records import Event, Release, TrainingData
from housing_ml.storage.errors import ConflictError
from housing_ml.storage.versioned import LocalReleases
from serve.prediction_log import parquet
from serve.prediction_log.segments import Entry, to_columns

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    from housing_ml.data.contract import Matrix

    Vector = NDArray[np.float64]

FIRST = datetime(2026, 5, 1, tzinfo=UTC)
CONFIG = MonitorConfig()
ROWS = 1200


class Data(NamedTuple):
    train: tuple[Matrix, Vector]
    holdout: tuple[Matrix, Vector]


@pytest.fixture(scope="module")
def data(housing_frame: pd.DataFrame) -> Data:
    sides = split(housing_frame, SplitConfig())[:2]
    train, holdout = ((to_matrix(side), side[TARGET].to_numpy()) for side in sides)
    return Data(train, holdout)


class World:
    """Release storage with a champion, whose service has days of traffic."""

    def __init__(self, folder: Path, data: Data) -> None:
        self.storage = LocalReleases(folder)
        self._data = data
        self._random = np.random.default_rng(5)
        self.promote("1", FIRST - timedelta(days=2))

    def promote(self, version: str, moment: datetime) -> None:
        raw, actual = self._data.train
        reference = describe(raw, self._priced(actual), actual).to_json()
        self.storage.write(f"bundles/bundle-{version}/{REFERENCE}", reference)
        release = Release(
            version=version,
            bundle=f"bundle-{version}",
            model="histogram_gradient_boosting",
            metrics={"wmape": 0.14, "coverage": 0.9},
            data=TrainingData(digest="0" * 64, rows=len(raw), synthetic=False),
            promoted_at=moment.isoformat(),
            promoted_by="test",
            reason="test",
        )
        channels, generation = read_channels(self.storage)
        moved = {**channels.channels, "champion": release}
        move_channels(self.storage, lambda _: moved, if_generation=generation)
        event = Event(
            kind="promotion",
            version=version,
            bundle=release.bundle,
            at=release.promoted_at,
            by="test",
            reason="test",
        )
        record_event(self.storage, event)

    def day(
        self,
        index: int,
        fault: Callable[[Matrix, Vector], Vector] = lambda _, actual: actual,
        *,
        version: str = "1",
        known: float = 0.5,
    ) -> None:
        """Log a day of traffic as the service does; a share of the prices come two days late.

        `fault` may change the rows in place, and returns the prices that turn out to be true.
        """
        moment = FIRST + timedelta(days=index, hours=12)
        drawn = self._random.choice(len(self._data.holdout[0]), ROWS, replace=False)
        raw, actual = self._data.holdout[0][drawn].copy(), self._data.holdout[1][drawn]
        price = self._priced(actual)
        actual = fault(raw, actual)
        ids = [f"{version}-{index}-{row}" for row in range(ROWS)]
        numbers = np.column_stack([raw, price, 0.74 * price, 1.35 * price]).tobytes()
        entry = Entry(moment.timestamp(), version, "champion", ids, numbers)
        name = f"predictions/date={moment.date()}/{index}-{version}.parquet"
        self.storage.write(name, parquet.encode(to_columns([entry])))
        items = list(map(Feedback, ids, actual.tolist()))[: int(known * ROWS)]
        if items:
            self.feed(items[::-1], moment + timedelta(days=2))

    def feed(self, items: list[Feedback], received: datetime) -> None:
        name = f"{feedback.FOLDER}/date={received.date()}/{len(items)}-{items[0].prediction_id}"
        batch = Batch(received.timestamp(), tuple(items))
        self.storage.write(f"{name}.json", msgspec.json.encode(batch))

    def analyse(self, day: int, config: MonitorConfig = CONFIG) -> MonitorReport:
        """Run the monitor in the night after a day."""
        return analyse(self.storage, config, FIRST + timedelta(days=day + 1, minutes=10))

    def _priced(self, actual: Vector) -> Vector:
        return actual * np.exp(self._random.normal(0, 0.17, len(actual)))


@pytest.fixture
def world(tmp_path: Path, data: Data) -> World:
    return World(tmp_path, data)


def inflated(raw: Matrix, actual: Vector) -> Vector:
    raw[:, COLUMNS.index("median_income")] *= 1.08
    return actual


def doubled_inland(raw: Matrix, actual: Vector) -> Vector:
    return np.where(raw[:, -1] == 1, 2 * actual, actual)


def test_quiet_days_are_quiet_and_their_error_is_told_by_day_segment_and_version(
    world: World,
) -> None:
    for day in range(4):
        world.day(day)

    report = world.analyse(5)

    assert (report.predictions, report.labelled) == (4 * ROWS, 4 * ROWS // 2)
    assert not report.alert
    assert [window.rows for window in report.windows] == [ROWS] * 4
    kinds = [item.kind for item in report.performance]
    assert (kinds.count("all"), kinds.count("day"), kinds.count("version")) == (1, 4, 1)
    assert {"INLAND", "NEAR BAY"} <= {item.name for item in report.performance}
    overall = report.performance[0].estimates
    assert overall is not None
    assert overall.wmape.low < 0.14 < overall.wmape.high
    assert overall.coverage.value == pytest.approx(0.93, abs=0.03)


def test_a_fault_in_the_inputs_is_an_alarm_on_its_second_day_and_too_few_new_rows_hold_a_retrain(
    world: World,
) -> None:
    world.day(0, known=0.1)
    world.day(1, inflated, known=0.1)
    assert not world.analyse(1).alert

    world.day(2, inflated, known=0.1)
    report = world.analyse(2)

    assert [alarm.name for alarm in report.alarms] == ["median_income"]
    assert not report.retraining.retrain
    assert "new labelled rows" in report.retraining.reasons[0]


def test_prices_doubled_inland_are_found_from_late_feedback_and_call_for_one_retrain(
    world: World,
) -> None:
    for day in range(4):
        world.day(day, doubled_inland if day >= 2 else lambda _, actual: actual)
    assert not world.analyse(3).alert  # their prices have not come yet

    report = world.analyse(5)

    assert "actual_over_predicted" in {alarm.name for alarm in report.alarms}
    assert "live wMAPE" in report.live_error[0]
    assert report.retraining.retrain
    again = world.analyse(5)
    assert again.alert
    assert "hours ago" in again.retraining.reasons[0]


def test_a_day_that_is_not_over_is_counted_and_not_judged(world: World) -> None:
    world.day(0)

    report = analyse(world.storage, CONFIG, FIRST + timedelta(hours=14))

    assert report.predictions == ROWS
    assert report.windows == ()


def test_each_file_is_counted_once_and_late_files_join_their_day(world: World) -> None:
    world.day(0)
    first = world.analyse(1)
    world.day(1)
    late = world.storage.read("predictions/date=2026-05-01/0-1.parquet")
    assert late is not None
    world.storage.write("predictions/date=2026-05-01/late.parquet", late.content)

    second = world.analyse(1)

    assert first.predictions == ROWS
    assert [window.rows for window in second.windows] == [2 * ROWS, ROWS]
    assert world.analyse(1).windows == second.windows


def test_a_damaged_file_is_named_and_counted_when_it_is_whole_again(world: World) -> None:
    world.day(0)
    world.day(1)
    name = "predictions/date=2026-05-02/1-1.parquet"
    whole = world.storage.read(name)
    assert whole is not None
    world.storage.write(name, whole.content[:5000])

    report = world.analyse(1)
    assert name in report.skipped[0]
    assert report.predictions == ROWS

    world.storage.write(name, whole.content)
    assert world.analyse(1).predictions == 2 * ROWS


def test_feedback_twice_late_and_out_of_order_counts_once_and_the_last_price_holds(
    world: World,
) -> None:
    world.day(0, known=0)
    moment = FIRST + timedelta(days=3)
    corrected = [Feedback(f"1-0-{row}", 100_000.0) for row in range(60)]
    wrong = [Feedback(f"1-0-{row}", 1.0) for row in range(61)]
    world.feed(corrected, moment + timedelta(hours=1))
    world.feed(wrong[:60], moment)
    world.feed([Feedback("no such prediction", 5.0), *corrected], moment + timedelta(hours=1))

    report = world.analyse(4)

    assert report.labelled == 60
    assert report.performance[0].estimates is not None
    assert report.performance[0].estimates.mape.value < 10


def test_a_new_champion_is_judged_by_its_own_reference_and_days(world: World) -> None:
    for day in range(2):
        world.day(day, inflated)
    world.promote("2", FIRST + timedelta(days=2))
    for day in (2, 3):
        world.day(day, version="2")
    world.day(3, inflated, version="3")

    report = world.analyse(6)

    assert report.champion == "2"
    assert not report.alarms
    assert {window.version for window in report.windows} == {"1", "2"}
    assert report.unknown_versions == ("3",)
    assert {item.name for item in report.performance if item.kind == "version"} == {"1", "2", "3"}


def test_of_two_runs_at_once_one_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.day(0)
    names = world.storage.names

    def run_another(folder: str) -> list[str]:
        if folder.startswith(feedback.FOLDER):
            monkeypatch.undo()
            world.analyse(1)
        return names(folder)

    monkeypatch.setattr(world.storage, "names", run_another)
    with pytest.raises(ConflictError):
        world.analyse(1)


def test_nothing_at_all_is_a_report_too(tmp_path: Path) -> None:
    report = analyse(LocalReleases(tmp_path), CONFIG, FIRST)

    assert not report.alert
    assert report.predictions == 0
    assert not report.retraining.retrain
    assert str(report) == "no champion, 0 predictions, 0 labelled"
