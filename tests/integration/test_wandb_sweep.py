"""A sweep that W&B drives, by the unmodified client over HTTP; offline records follow later."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from housing_ml.config.choices import FeatureParameters
from housing_ml.config.sweep import SweepConfig
from housing_ml.data.contract import TARGET, to_matrix
from housing_ml.modelling.sweep.drivers import sweep
from housing_ml.modelling.sweep.figures import sweep_figures
from housing_ml.modelling.sweep.objective import Objective
from housing_ml.modelling.sweep.tracking import track_sweep
from housing_ml.modelling.sweep.trials import SweepError
from housing_ml.modelling.sweep.workers import start_process
from housing_ml.settings import Settings
from tests.integration.wandb_server import Fault, WandbServer, wandb_server
from tests.waiting import PATIENCE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import pandas as pd

    from housing_ml.config.choices import Parameters
    from housing_ml.records.sweep import SweepResult

TRIALS = 3


def track(result: SweepResult) -> str | None:
    """Record in a process of its own: the client of this one may know another server."""
    with start_process() as process:
        return process.submit(track_sweep, result, sweep_figures(result), Settings()).result()


def sync() -> None:
    """Send what was recorded offline, as a person does."""
    folders = sorted((Settings().home / "wandb").glob("offline-run-*"))
    environment = os.environ | {"WANDB_MODE": "online"}
    command = [sys.executable, "-m", "wandb", "sync", *map(str, folders)]
    home = Settings().home
    subprocess.run(
        command,
        check=True,
        capture_output=True,
        env=environment,
        cwd=home,
        timeout=PATIENCE_SECONDS,
    )


class Slow(Objective):
    """Takes a second for each fold of what the service proposes."""

    def fold_wmapes(self, parameters: Parameters) -> Iterator[float]:
        for wmape in super().fold_wmapes(parameters):
            time.sleep(parameters != self.start)
            yield wmape


@pytest.fixture(scope="module")
def service() -> Iterator[WandbServer]:
    with wandb_server() as running:
        yield running


@pytest.fixture
def server(
    service: WandbServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[WandbServer]:
    """An empty server that this process's client and its agents talk to, with an account."""
    service.forget()
    for name, value in service.environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    yield service
    assert not service.unknown, "the stand-in does not know all that the client asks"


@pytest.fixture
def storage(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'optuna.db'}"


@pytest.fixture(scope="module")
def objective(housing_frame: pd.DataFrame) -> Callable[..., Objective]:
    frame = housing_frame.sample(400, random_state=4)
    raw, prices = to_matrix(frame), frame[TARGET].to_numpy()

    def make(model: Any = "ridge", start: Any = None, **config: Any) -> Objective:
        chosen = SweepConfig(**{"folds": 2, "trials": TRIALS, "driver": "wandb"} | config)
        features = FeatureParameters(imputer="median", clusters=0)
        return Objective(raw, prices, features, model, start or {"alpha": 5_000.0}, chosen)

    return make


def test_the_service_proposes_the_trials_and_names_the_best(
    objective: Any, server: WandbServer, storage: str
) -> None:
    result = sweep(objective(), storage, "study")

    assert result.driver == "wandb"
    assert result.url == f"{server.url}/tester/housing/sweeps/sweep0"
    assert [trial.number for trial in result.trials] == [0, 1, 2]
    assert result.trials[0].parameters == {"alpha": 5_000.0}
    proposed = [server.config(run) for run in server.sweep_runs()]
    assert [trial.parameters for trial in result.trials[1:]] == proposed
    best = min(result.trials, key=lambda trial: trial.wmape or 1)
    assert (result.best_parameters, result.best_wmape) == (best.parameters, best.wmape)
    assert "Runs" in server.operations

    for run, trial in zip(server.sweep_runs(), result.trials[1:], strict=True):
        assert (run["name"], run["state"]) == (trial.run, "finished")
        assert server.summary(run)["wmape"] == trial.wmape
        assert [row["wmape"] for row in run["history"] if "wmape" in row][-1] == trial.wmape
    first = server.runs["study-0"]
    assert first["sweepName"] == "sweep0", "the search learns from the trial to beat"


def test_a_sweep_goes_on_and_the_same_seed_proposes_the_same_trials(
    objective: Any, server: WandbServer, storage: str, tmp_path: Path
) -> None:
    sweep(objective(trials=2), storage, "study")
    first = sweep(objective(), storage, "study")
    assert (first.resumed, len(first.trials), len(server.sweeps)) == (2, TRIALS, 1)

    second = sweep(objective(), f"sqlite:///{tmp_path / 'second.db'}", "study")
    assert len(server.sweeps) == 2
    parameters = [[trial.parameters for trial in result.trials] for result in (first, second)]
    assert parameters[0] == parameters[1]


def test_each_process_has_the_environment_of_its_start(monkeypatch: pytest.MonkeyPatch) -> None:
    for home in ("one", "another"):
        with start_process() as process:
            monkeypatch.setenv("HOUSING_HOME", home)
            assert process.submit(os.getenv, "HOUSING_HOME").result() == home


def test_workers_share_the_budget_and_try_nothing_twice(
    objective: Any, server: WandbServer, storage: str
) -> None:
    result = sweep(objective(workers=2, trials=4), storage, "study")

    assert [trial.number for trial in result.trials] == [0, 1, 2, 3]
    assert len({trial.run for trial in result.trials[1:]}) == len(server.sweep_runs()) == 3


def test_a_trial_that_the_service_stops_is_pruned_and_never_the_best(
    objective: Any, server: WandbServer, storage: str
) -> None:
    server.stop_after_rows = 1
    result = sweep(Slow(**vars(objective(folds=40, trials=2))), storage, "study")

    stopped = result.trials[1]
    assert (stopped.state, stopped.wmape, stopped.reason) == ("pruned", None, "")
    assert 0 < len(stopped.fold_wmapes) < 40
    assert result.best_parameters == result.trials[0].parameters


def test_a_failed_trial_tells_why_and_a_common_fault_ends_the_sweep(
    objective: Any, server: WandbServer, storage: str
) -> None:
    broken = objective(start={"solver": "none"}, trials=40)
    with pytest.raises(SweepError, match=r"all 5 trials failed.*solver"):
        sweep(broken, storage, "study")
    assert {run["state"] for run in server.sweep_runs()} == {"failed"}
    assert "solver" in server.summary(server.sweep_runs()[0])["reason"]


def test_a_service_that_refuses_leaves_the_search_to_optuna_and_the_records_wait(
    objective: Any, server: WandbServer, storage: str, caplog: pytest.LogCaptureFixture
) -> None:
    server.faults.append(Fault("Upsert", 403))
    with caplog.at_level(logging.WARNING):
        result = sweep(objective(), storage, "study")

    assert (result.driver, len(result.trials)) == ("optuna", TRIALS)
    assert "W&B does not drive the sweep any more" in caplog.text

    assert "`wandb sync" in (track(result) or "")
    server.faults.clear()
    sync()
    assert sorted(server.runs) == ["study-0-offline", "study-1", "study-2", "study-sweep"]


def test_a_service_that_throttles_in_the_middle_loses_nothing(
    objective: Any, server: WandbServer, storage: str
) -> None:
    server.faults.append(Fault("CreateAgent", 429, after=1))
    result = sweep(objective(), storage, "throttled")

    proposed = server.config(server.sweep_runs()[0])
    assert [trial.number for trial in result.trials] == [0, 1, 2]
    assert result.trials[1].parameters == proposed
    assert [bool(trial.run) for trial in result.trials] == [False, True, False]

    assert track(result) is None
    assert server.config(server.runs["throttled-2"]) == result.trials[2].parameters


def test_without_a_key_the_driver_says_what_to_set(
    objective: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    with pytest.raises(SweepError, match=r"set WANDB_API_KEY, or sweep\.driver=optuna"):
        sweep(objective())


def test_offline_records_of_all_trials_follow_later(
    objective: Any, server: WandbServer, storage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = sweep(objective(driver="optuna"), storage, "offline")
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert track(result) is None
    assert not server.runs

    sync()
    assert sorted(server.runs) == [f"offline-{name}" for name in (*range(TRIALS), "sweep")]
    (pictures,) = server.runs["offline-sweep"]["history"]
    assert pictures["sweep"]["_type"] == "image-file"
    for trial in result.trials:
        run = server.runs[f"offline-{trial.number}"]
        assert server.config(run) == trial.parameters
        assert server.summary(run)["wmape"] == trial.wmape
