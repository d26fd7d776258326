"""The monitor's flow on a real Prefect server: report, artifacts, and events that start others."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import msgspec
import numpy as np
import pytest

from flows.monitor import run_monitor
from housing_ml.bundle.reference import REFERENCE, describe
from housing_ml.config.monitoring import MonitorConfig
from housing_ml.data.contract import COLUMNS, TARGET, to_matrix
from housing_ml.feedback.actual_prices import Batch, Feedback
from housing_ml.monitoring.publishing import ALERT, DRIFT
from housing_ml.monitoring.summary import headline, summary
from housing_ml.releases.channels import move_channels
from housing_ml.releases.records import Release, TrainingData
from housing_ml.settings import Settings
from housing_ml.storage.versioned import LocalReleases
from serve.prediction_log import parquet
from serve.prediction_log.segments import Entry, to_columns
from tests.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

HOUR = MonitorConfig(window_minutes=60, windows=10, trackers=())


@pytest.fixture
def storage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, housing_frame: pd.DataFrame
) -> LocalReleases:
    """Releases with a champion, and five hours of traffic whose income is zero in the last two."""
    monkeypatch.setenv("HOUSING_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    storage = LocalReleases(Settings().releases_path)
    raw, actual = to_matrix(housing_frame), housing_frame[TARGET].to_numpy()
    storage.write(f"bundles/{'0' * 64}/{REFERENCE}", describe(raw, actual, actual).to_json())
    moment = datetime.now(UTC)
    release = Release(
        version="4",
        bundle="0" * 64,
        model="histogram_gradient_boosting",
        metrics={"wmape": 0.12, "coverage": 0.9},
        data=TrainingData(digest="0" * 64, rows=len(raw), synthetic=False),
        promoted_at=(moment - timedelta(days=3)).isoformat(),
        promoted_by="test",
        reason="test",
    )
    move_channels(storage, lambda _: {"champion": release}, if_generation=0)
    random = np.random.default_rng(0)
    for hour in range(5):
        rows = random.choice(len(raw), 700, replace=False)
        predicted_at = moment - timedelta(hours=5 - hour)
        write_hour(storage, predicted_at, raw[rows].copy(), actual[rows], faulty=hour >= 3)
    return storage


def write_hour(
    storage: LocalReleases, moment: datetime, raw: Any, actual: Any, *, faulty: bool
) -> None:
    if faulty:
        raw[:, COLUMNS.index("median_income")] = 0.5
    ids = [f"{moment.hour}-{row}" for row in range(len(raw))]
    numbers = np.column_stack([raw, actual, 0.8 * actual, 1.2 * actual]).tobytes()
    entry = Entry(moment.timestamp(), "4", "champion", ids, numbers)
    name = f"predictions/date={moment.date()}/{moment.hour}.parquet"
    storage.write(name, parquet.encode(to_columns([entry])))
    batch = Batch(moment.timestamp(), tuple(map(Feedback, ids, actual.tolist())))
    name = f"feedback/date={moment.date()}/{moment.hour}.json"
    storage.write(name, msgspec.json.encode(batch))


def found(url: str, what: str, body: dict[str, Any]) -> Any:
    with httpx.Client(trust_env=False) as client:
        return client.post(f"{url}/{what}/filter", json=body).raise_for_status().json()


def wait_for_events(url: str, names: list[str]) -> list[dict[str, Any]]:
    body = {"filter": {"event": {"name": names}}, "limit": 50}

    def events() -> list[dict[str, Any]]:
        known: list[dict[str, Any]] = found(url, "events", body)["events"]
        return known

    until(lambda: {event["event"] for event in events()} == set(names))
    return events()


def test_an_alert_is_reported_shown_and_announced_once(
    storage: LocalReleases, prefect_server: str
) -> None:
    report = run_monitor(HOUR, verbose=True)

    assert [alarm.name for alarm in report.alarms] == ["median_income"]
    assert "median_income" in headline(report)
    assert report.retraining.retrain
    events = wait_for_events(prefect_server, [ALERT, DRIFT])
    assert {event["event"] for event in events} == {ALERT, DRIFT}
    assert events[0]["resource"]["prefect.resource.id"] == "housing.model.champion"
    assert "median_income" in str(events[0]["payload"])

    shown = {"summary", "drift", "live-error", "retraining", "figure-drift"}
    flow = {"flows": {"name": {"any_": ["monitor"]}}}
    assert shown <= {item["key"] for item in found(prefect_server, "artifacts", flow)}
    page = (Settings().reports_path / "monitor" / "report.html").read_text()
    assert headline(report) in page
    assert page.count("data:image/png") == 2
    kinds = {name.rpartition(".")[2] for name in storage.names("monitoring/reports")}
    assert kinds == {"json", "html"}

    again = run_monitor(HOUR, verbose=True)

    assert again.alert
    assert not again.retraining.retrain
    assert "| R05 | Cool-down | holds back |" in summary(again)
