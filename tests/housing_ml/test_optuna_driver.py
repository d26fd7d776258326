"""A sweep is seeded, resumable, bounded, and never takes a failed trial for the best."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from housing_ml.config import FeatureParameters, SweepConfig
from housing_ml.contract import TARGET, to_matrix
from housing_ml.sweep import SweepError
from housing_ml.sweep.objective import Objective
from housing_ml.sweep.optuna_driver import sweep
from housing_ml.sweep.space import SPACES, Range

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pandas as pd


@pytest.fixture(scope="module")
def objective(housing_frame: pd.DataFrame) -> Callable[..., Objective]:
    frame = housing_frame.sample(500, random_state=4)
    raw, prices = to_matrix(frame), frame[TARGET].to_numpy()
    features = FeatureParameters(imputer="median", clusters=0)

    def make(model: Any = "ridge", start: Any = None, **config: Any) -> Objective:
        chosen = SweepConfig(**{"folds": 2, "trials": 5} | config)
        return Objective(raw, prices, features, model, start or {}, chosen)

    return make


def proposals(result: Any) -> list[Any]:
    return [trial.parameters for trial in result.trials]


def test_the_first_trial_has_the_parameters_to_beat_and_the_best_wins(objective: Any) -> None:
    result = sweep(objective(start={"alpha": 5_000.0}))

    assert result.trials[0].parameters == {"alpha": 5_000.0}
    best = min(result.trials, key=lambda trial: trial.wmape or 1)
    assert (result.best_parameters, result.best_wmape) == (best.parameters, best.wmape)


def test_the_same_seed_and_budget_propose_the_same_trials(objective: Any) -> None:
    assert proposals(sweep(objective())) == proposals(sweep(objective()))
    assert proposals(sweep(objective(seed=7))) != proposals(sweep(objective()))


def test_no_trials_keep_the_parameters(objective: Any) -> None:
    result = sweep(objective(start={"alpha": 3.0}, trials=0))

    assert (result.best_parameters, result.best_wmape, result.trials) == ({"alpha": 3.0}, None, ())


def test_a_sweep_goes_on_where_it_stopped_as_if_it_had_not(objective: Any, tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path}/sweep.db"

    sweep(objective(trials=3), storage, "one")
    result = sweep(objective(trials=6), storage, "one")

    assert (result.resumed, len(result.trials)) == (3, 6)
    assert proposals(result) == proposals(sweep(objective(trials=6)))


def test_no_time_left_means_one_trial(objective: Any) -> None:
    assert len(sweep(objective(minutes=1e-9)).trials) == 1


class _Faulty(Objective):
    def fold_wmapes(self, parameters: Any) -> Any:
        if parameters["alpha"] != 10.0:
            raise ArithmeticError("too small")
        yield from super().fold_wmapes(parameters)


def test_a_failed_trial_keeps_its_reason_and_is_never_the_best(objective: Any) -> None:
    given_one = objective()
    faulty = _Faulty(given_one.raw, given_one.y, given_one.features, "ridge", {}, given_one.config)

    result = sweep(faulty)

    assert [trial.state for trial in result.trials] == ["complete", *["failed"] * 4]
    assert {trial.reason for trial in result.trials[1:]} == {"ArithmeticError: too small"}
    assert result.best_parameters["alpha"] == 10.0


def test_a_fault_common_to_all_trials_is_told(objective: Any) -> None:
    broken = objective()
    broken = Objective(broken.raw[:1], broken.y[:1], broken.features, "ridge", {}, broken.config)

    with pytest.raises(SweepError, match="all 5 trials failed"):
        sweep(broken)


def test_the_name_of_a_study_follows_from_all_that_shapes_a_trial_and_not_from_its_budget(
    objective: Any,
) -> None:
    digests = [
        made.digest(data)
        for made, data in (
            (objective(), "a"),
            (objective(), "b"),
            (objective(seed=3), "a"),
            (objective(start={"alpha": 2.0}), "a"),
            (objective(model="lasso"), "a"),
        )
    ]

    assert len(set(digests)) == len(digests)
    assert objective(trials=50, minutes=1).digest("a") == digests[0]


_SCRIPT = """
import sys, time
import numpy as np
from housing_ml.config import FeatureParameters, SweepConfig
from housing_ml.sweep.objective import Objective
from housing_ml.sweep.optuna_driver import sweep

class Slow(Objective):
    def fold_wmapes(self, parameters):
        time.sleep(float(sys.argv[2]))
        yield 0.1 / parameters["alpha"]

config = SweepConfig(trials=6, folds=2)
slow = Slow(np.ones((4, 9)), np.ones(4), FeatureParameters(), "ridge", {}, config)
print(sweep(slow, sys.argv[1], "killed").model_dump_json())
"""


def test_a_killed_sweep_loses_no_finished_trial_and_tries_the_interrupted_one_again(
    tmp_path: Path,
) -> None:
    import optuna  # noqa: PLC0415 - the others reach it through the driver

    storage = f"sqlite:///{tmp_path}/sweep.db"
    command = [sys.executable, "-c", _SCRIPT, storage]
    process = subprocess.Popen([*command, "0.5"])
    give_up = time.monotonic() + 60
    done = 0
    while done < 2 and time.monotonic() < give_up:
        time.sleep(0.2)
        try:
            study = optuna.load_study(study_name="killed", storage=storage)
            done = sum("record" in trial.user_attrs for trial in study.get_trials())
            study._storage._backend.engine.dispose()
        except Exception:  # noqa: BLE001, S112 - it is not there yet
            continue
    os.kill(process.pid, signal.SIGKILL)
    process.wait()

    found = subprocess.run([*command, "0"], capture_output=True, text=True, check=True).stdout

    from housing_ml.sweep import SweepResult  # noqa: PLC0415

    result = SweepResult.model_validate_json(found)
    assert result.resumed >= 2
    assert [trial.number for trial in result.trials] == list(range(6))
    assert {trial.state for trial in result.trials} <= {"complete", "pruned"}


@given(st.floats(1e-3, 1e3), st.floats(1.001, 1e3), st.floats(-1e4, 1e4), st.booleans())
def test_a_widened_range_holds_what_it_was_widened_to(
    low: float,
    factor: float,
    value: float,
    log: bool,  # noqa: FBT001 - hypothesis gives it
) -> None:
    made = Range(kind="real", low=low, high=low * factor, log=log)

    widened = made.including(value)

    if log and value <= 0:
        assert widened is None
    else:
        assert widened is not None
        assert widened.low <= min(value, low)
        assert widened.high >= max(value, made.high)


@pytest.mark.parametrize("model", SPACES)
def test_every_space_names_parameters_of_its_model_and_prints_itself(model: Any) -> None:
    made = Objective(np.ones((2, 9)), np.ones(2), FeatureParameters(), model, {}, SweepConfig())

    assert made.point.keys() <= made.space.dimensions.keys()
    assert str(made.space).startswith(model)


@pytest.mark.parametrize(
    "wrong", [{"low": 2, "high": 1}, {"low": 0, "high": 1, "log": True}, {"low": 0.5, "high": 2}]
)
def test_a_range_that_makes_no_sense_is_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match="must"):
        Range(kind="integer", **wrong)
