"""A sweep is seeded, resumable, bounded, and never takes a failed trial for the best."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from housing_ml.config.choices import FeatureParameters
from housing_ml.config.sweep import SweepConfig
from housing_ml.data.contract import TARGET, to_matrix
from housing_ml.modelling.sweep.objective import Objective
from housing_ml.modelling.sweep.optuna_driver import sweep
from housing_ml.modelling.sweep.space import SPACES, Range
from housing_ml.modelling.sweep.stopping import counted, stop_reason
from housing_ml.modelling.sweep.study import open_study
from housing_ml.modelling.sweep.trials import SweepError, pruning_limits, run_trial
from housing_ml.records.sweep import Trial

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
    assert sweep(replace(faulty, config=SweepConfig(folds=2, trials=50))).stopped == (
        "the last 5 trials failed: ArithmeticError: too small"
    )


def test_a_fault_common_to_all_trials_is_told(objective: Any) -> None:
    broken = objective()
    broken = Objective(broken.raw[:1], broken.y[:1], broken.features, "ridge", {}, broken.config)

    with pytest.raises(SweepError, match="all 5 trials failed"):
        sweep(broken)


def test_a_fault_that_was_mended_is_forgotten(objective: Any, tmp_path: Path) -> None:
    storage, mended = f"sqlite:///{tmp_path}/sweep.db", objective(trials=3)
    broken = Objective(mended.raw[:1], mended.y[:1], mended.features, "ridge", {}, mended.config)
    with pytest.raises(SweepError, match="all 3 trials failed"):
        sweep(broken, storage, "one")

    result = sweep(mended, storage, "one")

    assert [trial.state for trial in result.trials] == ["failed"] * 3 + ["complete"] * 3


def test_a_study_in_a_file_belongs_to_one_process_at_a_time(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path}/sweep.db"

    with (
        open_study(storage, "one", {"alpha": 1.0}),
        pytest.raises(SweepError, match="HOUSING_OPTUNA_STORAGE"),
        open_study(storage, "one", {"alpha": 1.0}),
    ):
        pass


def stamp(storage: str, **said: Any) -> None:
    study = optuna.load_study(study_name="one", storage=storage)
    for name, value in said.items():
        study.set_user_attr(name, value)


def test_a_study_of_a_newer_version_is_refused_with_what_it_needs(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path / 'optuna.db'}"
    with open_study(storage, "one", {"alpha": 1.0}) as made:
        assert made.user_attrs == {"format": 1, "needs": "0.1.0"}
    stamp(storage, format=2, needs="0.9.0")

    with (
        pytest.raises(SweepError, match=r"study one: format 2, .* install housing-ml 0\.9\.0"),
        open_study(storage, "one", {"alpha": 1.0}),
    ):
        pass


def test_a_study_that_says_no_format_is_read(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path / 'optuna.db'}"
    optuna.create_study(storage=storage, study_name="one").enqueue_trial({"alpha": 2.0})

    with open_study(storage, "one", {"alpha": 1.0}) as found:
        assert [trial.system_attrs["fixed_params"] for trial in found.trials] == [{"alpha": 2.0}]


def test_a_clearly_poor_trial_ends_after_its_first_fold(objective: Any) -> None:
    poor = objective(model="decision_tree", folds=3)

    trial = run_trial(poor, 7, {"min_samples_leaf": 100}, limits=(0.01, 0.01))

    assert (trial.state, trial.wmape, len(trial.fold_wmapes)) == ("pruned", None, 1)


def trial(number: int, *fold_wmapes: float) -> Trial:
    return Trial(
        number=number,
        parameters={},
        state="complete" if fold_wmapes else "failed",
        wmape=float(np.mean(fold_wmapes)) if fold_wmapes else None,
        fold_wmapes=fold_wmapes,
        seconds=1,
        reason="" if fold_wmapes else "broken",
    )


def test_the_limit_of_a_fold_is_the_median_of_the_complete_trials_up_to_it() -> None:
    trials = [trial(0, 0.1, 0.3, 0.2), trial(1), trial(2, 0.2, 0.2, 0.2), trial(3, 0.4, 0.2, 0.2)]

    assert pruning_limits(trials, 3) == ()
    assert pruning_limits([*trials, trial(4, 0.6, 0.4, 0.1)], 3) == pytest.approx((0.3, 0.25))


@pytest.mark.parametrize(
    ("config", "trials", "minutes", "expected"),
    [
        ({}, [0.2, 0.1, 0.3], 1, ""),
        ({"trials": 3}, [0.2, 0.1, 0.3], 1, "3 trials are done"),
        ({"minutes": 2}, [0.2], 2, "2 minutes are over"),
        ({"minutes": 2}, [], 2, ""),
        ({"patience": 2}, [0.2, 0.1, 0.3, 0.1], 1, "no better one in 2 trials"),
        ({"patience": 2}, [0.2, 0.3, 0.1], 1, ""),
        ({"patience": 0}, [0.1, 0.2, 0.3], 1, ""),
        ({}, [0.1, None, None, None, None, None], 1, "the last 5 trials failed: broken"),
        ({}, [None, None, None, None, 0.1], 1, ""),
    ],
)
def test_a_sweep_ends_by_budget_by_patience_or_by_a_fault_of_all(
    config: Any, trials: list[float | None], minutes: float, expected: str
) -> None:
    chosen = SweepConfig(**{"trials": 10} | config)
    ended = [trial(n, *([] if value is None else [value])) for n, value in enumerate(trials)]

    assert stop_reason(chosen, ended, range(len(ended)), minutes) == expected


def test_failures_of_an_earlier_session_neither_end_a_sweep_nor_use_its_budget() -> None:
    ended = [trial(n) for n in range(5)]

    assert not stop_reason(SweepConfig(trials=5), ended, (), 0)
    assert not counted(ended, ())


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
