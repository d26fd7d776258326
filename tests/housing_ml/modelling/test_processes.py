"""Parts of work in several processes: the same results, in the same order, to the last bit."""

from __future__ import annotations

import os
from operator import itemgetter
from typing import TYPE_CHECKING

import numpy as np
import pytest

from housing_ml.config.choices import FeatureParameters
from housing_ml.config.modelling import Candidate, SelectionConfig
from housing_ml.config.sweep import SweepConfig
from housing_ml.data.contract import TARGET, to_matrix
from housing_ml.modelling.folds import price_unseen, splitter
from housing_ml.modelling.model_comparison import select_model
from housing_ml.modelling.processes import in_processes, processors
from housing_ml.modelling.sweep.objective import Objective

if TYPE_CHECKING:
    from typing import Any

    import pandas as pd
    from numpy.typing import NDArray

    from housing_ml.data.contract import Matrix

FEATURES = FeatureParameters(imputer="median", clusters=3)
BOOSTING = {"max_iter": 5}


def _process(_: int) -> int:
    return os.getpid()


@pytest.fixture(scope="module")
def rows(housing_frame: pd.DataFrame) -> tuple[Matrix, NDArray[np.float64]]:
    frame = housing_frame.sample(5_000, random_state=3)
    return to_matrix(frame), frame[TARGET].to_numpy()


def test_parts_come_in_their_order_and_from_processes_that_are_kept() -> None:
    assert list(in_processes(abs, range(-9, 0), 2)) == list(range(9, 0, -1))

    first, second = (set(in_processes(_process, range(8), 2)) for _ in range(2))

    assert os.getpid() not in first
    assert len(first | second) <= 2
    assert set(in_processes(_process, range(3), 1)) == {os.getpid()}
    assert list(in_processes(_process, range(1), 2)) == [os.getpid()]


def test_a_fault_in_a_part_is_the_fault_of_all() -> None:
    with pytest.raises(KeyError, match="b"):
        list(in_processes(itemgetter("b"), [{"b": 1}, {"a": 1}], 2))


def test_few_rows_are_not_worth_a_process_and_of_too_many_one_fold_is_enough(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")
    assert processors(10_000) == 1

    monkeypatch.delenv("LOKY_MAX_CPU_COUNT")
    assert processors(4_999) == processors(500_001) == 1


@pytest.mark.skipif(os.cpu_count() == 1, reason="one processor has no second process")
def test_folds_trials_and_models_are_the_same_in_one_process_and_in_two(
    rows: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    boosting = Candidate(model="histogram_gradient_boosting", grid={"max_iter": (5,)})
    selection = SelectionConfig(candidates=(Candidate(model="ridge"), boosting), folds=2)
    splits = list(splitter(2, 1).split(rows[0]))

    def all_of_it(processes: str) -> tuple[list[Any], Any, list[float]]:
        monkeypatch.setenv("LOKY_MAX_CPU_COUNT", processes)
        unseen = price_unseen(*rows, splits, FEATURES, "histogram_gradient_boosting", BOOSTING, 1)
        report = select_model(*rows, FEATURES, selection)
        trials = Objective(*rows, FEATURES, "ridge", {}, SweepConfig(folds=2))
        scores = [(one.model, one.train, one.validation) for one in report.candidates]
        return list(unseen), scores, list(trials.fold_wmapes({"alpha": 2.0}))

    alone, together = all_of_it("1"), all_of_it("2")

    for one, other in zip(alone[0], together[0], strict=True):
        np.testing.assert_array_equal(one.features, other.features)
        np.testing.assert_array_equal(one.price, other.price)
    assert alone[1:] == together[1:]
