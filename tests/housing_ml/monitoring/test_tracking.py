"""Reports in MLflow and Weights & Biases; a report survives trackers that are down."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from housing_ml.config.monitoring import PerformanceConfig, RetrainingConfig
from housing_ml.modelling.sweep.workers import start_process
from housing_ml.monitoring.analysis import MonitorReport
from housing_ml.monitoring.drift import Alarm, ColumnDrift, WindowDrift
from housing_ml.monitoring.performance import Group, Sums, live_errors
from housing_ml.monitoring.retraining import RetrainingEvidence, decide
from housing_ml.monitoring.summary import headline
from housing_ml.monitoring.tracking import EXPERIMENT, figures_of, track
from housing_ml.settings import Settings
from tests.integration.wandb_server import wandb_server

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture
def report() -> MonitorReport:
    """An alert on income, with some known prices."""
    income = ColumnDrift(
        name="median_income",
        rows=900,
        test="Kolmogorov-Smirnov",
        statistic=0.1,
        p_value=0.001,
        psi=0.3,
        distance=0.2,
        missing=0,
        outside=0.04,
        verdict="drift",
        reasons=("it moved",),
    )
    alarm = Alarm(name="median_income", windows=2, reasons=("it moved",))
    errors = {Group(NOW, "1", "INLAND"): Sums(100, 10, 2, 1e7, 1.1e12, 1e6, 1.2e10, 1e11)}
    evidence = RetrainingEvidence(
        now=NOW, trained_at=NOW, alarms=(alarm,), live_error=(), new_rows=0, retrains=()
    )
    return MonitorReport(
        at=NOW,
        champion="1",
        alert=True,
        predictions=900,
        labelled=100,
        alarms=(alarm,),
        live_error=(),
        error_limit=0.15,
        retraining=decide(evidence, RetrainingConfig()),
        windows=(WindowDrift(start=NOW, version="1", rows=900, columns=(income,)),),
        performance=live_errors(errors, PerformanceConfig()),
        skipped=(),
        unknown_versions=(),
    )


def test_the_numbers_are_those_of_the_last_window_and_the_live_error(report: MonitorReport) -> None:
    found = figures_of(report)

    assert found["psi.median_income"] == 0.3
    assert (found["missing.median_income"], found["outside.median_income"]) == (0, 0.04)
    assert found["live.mape"] == pytest.approx(0.1)
    assert found["live.wmape"] == pytest.approx(0.1)
    assert found["alarms"] == 1


@pytest.mark.filterwarnings("ignore::Warning:mlflow")
def test_mlflow_holds_numbers_and_page(report: MonitorReport, tmp_path: Path) -> None:
    from mlflow import MlflowClient  # noqa: PLC0415 - slow

    settings = Settings(home=tmp_path)

    assert track(report, b"<html>the page</html>", ["mlflow"], settings) == []

    client = MlflowClient(settings.tracking_uri)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.data.metrics["psi.median_income"] == 0.3
    assert run.data.tags["alert"] == "True"
    (page,) = (tmp_path / "mlflow-artifacts").rglob("report.html")
    assert "the page" in page.read_text()


def test_without_an_account_wandb_records_offline(
    report: MonitorReport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WANDB_API_KEY", raising=False)

    assert track(report, b"<html></html>", ["wandb"], Settings(home=tmp_path)) == []

    assert list(tmp_path.glob("wandb/offline-run-*/*.wandb"))


def test_a_tracker_that_is_down_is_said_and_no_more(report: MonitorReport, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    settings = Settings(home=tmp_path / "file")

    (problem,) = track(report, b"", ["wandb"], settings)

    assert problem.startswith("wandb did not take the report: ")


def test_wandb_takes_the_numbers_and_sends_the_alert(
    report: MonitorReport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with wandb_server() as server, start_process() as process:
        for name, value in server.environment(tmp_path).items():
            monkeypatch.setenv(name, value)
        sent = process.submit(track, report, b"<html>the page</html>", ["wandb"], Settings())
        assert sent.result() == []

    (run,) = server.runs.values()
    assert run["history"][0]["alarms"] == 1
    assert server.alerts == [("Housing monitor", headline(report))]
