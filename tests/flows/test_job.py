"""A retrain as a scheduled job: what the gate says is no failure, and people are told of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings
from pydantic import SecretStr

from housing_ml.commands.job import tell_verdict, telling_of_failure
from housing_ml.records.retrain import RetrainResult
from housing_ml.settings import Settings
from tests.flows.test_retrain import FEW, small
from tests.integration.platform_process import webhook

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess

    import pandas as pd

    from housing_ml.config.retrain import RetrainConfig


@pytest.fixture
def impossible(
    prefect_server: str,
    housing_frame: pd.DataFrame,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """The config of a retrain whose model no gate would take, in a home folder of its own."""
    assert prefect_server
    rows = tmp_path / "rows.csv"
    housing_frame.sample(800, random_state=3).to_csv(rows, index=False)
    monkeypatch.setenv("HOUSING_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOUSING_DATA_URL", str(rows))
    monkeypatch.setenv("WANDB_MODE", "disabled")
    monkeypatch.chdir(tmp_path)
    ridge = {"folds": 2, "candidates": [{"model": "ridge"}]}
    config: RetrainConfig = small(**FEW | {"gate": {"max_rmse": 1.0}, "selection": ridge})
    path = tmp_path / "config.json"
    path.write_text(config.model_dump_json())
    return path


def test_a_job_ends_well_when_the_gate_says_no_and_the_webhook_is_told_why(
    impossible: Path, typed: Callable[..., CompletedProcess[str]]
) -> None:
    retrain = ("retrain", "--config", str(impossible), "--json")

    job = typed(*retrain, "--as-job")
    assert job.returncode == 0
    result = RetrainResult.model_validate(json.loads(job.stdout))
    assert not result.promoted
    assert typed(*retrain).returncode == 3
    with webhook() as (address, told), temporary_settings({PREFECT_API_URL: None}):
        tell_verdict(result, Settings(notification_url=SecretStr(address)))
    (message,) = told
    assert f"Version {result.version} was not promoted" in message
    assert result.decision.reasons[0] in message


def test_a_job_that_fails_says_so_and_a_webhook_that_is_down_hides_no_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(address: str) -> None:
        settings = Settings(notification_url=SecretStr(address))
        with (
            pytest.raises(ValueError, match="the cause"),
            telling_of_failure(settings, "The retrain failed"),
        ):
            raise ValueError("the cause")

    with temporary_settings({PREFECT_API_URL: None}):
        with webhook() as (address, told):
            fail(address)
        assert told == ["The retrain failed\nthe cause"]
        fail("http://127.0.0.1:9/a-secret")
    said = capsys.readouterr().err
    assert "nobody was told" in said
    assert "a-secret" not in said


def test_prefects_automations_tell_where_there_is_a_server() -> None:
    with webhook() as (address, told), temporary_settings({PREFECT_API_URL: "http://server/api"}):
        settings = Settings(notification_url=SecretStr(address))
        with (
            pytest.raises(ValueError, match="the cause"),
            telling_of_failure(settings, "The retrain failed"),
        ):
            raise ValueError("the cause")
    assert told == []
