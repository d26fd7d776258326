"""How fair the prices are to assess by: as assesspy says, and as the definitions want it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from housing_ml.bundle.model import Prediction
from housing_ml.config.modelling import EvaluationConfig
from housing_ml.data.contract import TARGET, to_matrix
from housing_ml.modelling.equity import equity, is_odd
from housing_ml.modelling.evaluation import evaluate
from housing_ml.modelling.metrics import Bootstrap
from housing_ml.records.equity import EVERYWHERE
from housing_ml.records.evaluation import EvaluationResult
from housing_ml.records.refs import DatasetRef
from housing_ml.reporting.equity import equity_rows
from tests.housing_ml.conftest import PLACES

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from housing_ml.records.evaluation import Evaluation

FEW = Bootstrap(samples=100)


def sample(rows: int, seed: int, slope: float = -0.1) -> tuple[NDArray[np.float64], ...]:
    """Prices, and predictions that are too high for the cheap where the slope is below 0."""
    generator = np.random.default_rng(seed)
    actual = generator.lognormal(12, 0.5, rows)
    noise = generator.lognormal(0, 0.15, rows)
    return actual, actual * noise * (actual / np.exp(12)) ** slope


@settings(max_examples=30)
@given(st.integers(3, 400), st.integers(0, 1000), st.floats(-0.4, 0.4))
def test_the_figures_are_those_of_assesspy(rows: int, seed: int, slope: float) -> None:
    assesspy = pytest.importorskip("assesspy", reason="needs the locked tools: make install")
    actual, predicted = sample(rows, seed, slope)
    found = equity("a part", actual, predicted, FEW)
    given = list(predicted), list(actual)
    assert found.cod == pytest.approx(assesspy.cod(*given) / 100)
    assert found.prd == pytest.approx(assesspy.prd(*given))
    assert found.prb == pytest.approx(assesspy.prb(*given))


@pytest.mark.filterwarnings("ignore::UserWarning")  # assesspy's, of samples that are small
@settings(max_examples=30)
@given(st.integers(3, 200), st.integers(0, 1000), st.floats(0.1, 10))
def test_the_odd_ratios_are_those_of_assesspy(rows: int, seed: int, factor: float) -> None:
    assesspy = pytest.importorskip("assesspy", reason="needs the locked tools: make install")
    actual, predicted = sample(rows, seed)
    predicted[: rows // 10] *= factor
    odd = is_odd(predicted / actual)
    assert odd.tolist() == assesspy.is_outlier(list(predicted / actual)).tolist()
    trimmed = equity("a part", actual, predicted, FEW).trimmed
    assert (trimmed is not None) == (0 < odd.mean() <= 0.1)
    if trimmed:
        given = list(predicted[~odd]), list(actual[~odd])
        assert trimmed.rows == (~odd).sum()
        assert trimmed.prd == pytest.approx(assesspy.prd(*given))
        assert trimmed.prb == pytest.approx(assesspy.prb(*given))


def test_an_odd_price_among_few_makes_their_figures_and_not_the_trimmed_ones() -> None:
    actual, predicted = sample(123, 5, slope=0.0)
    actual[0] = 0.05 * predicted[0]
    found = equity("a part", actual, predicted, FEW)
    assert found.prb < -0.2
    assert found.trimmed
    assert abs(found.trimmed.prb) < 0.1
    low, high = found.trimmed.intervals["prb"]
    assert high - low < 0.5 * (found.intervals["prb"].high - found.intervals["prb"].low)


def test_what_more_than_a_tenth_do_is_not_odd() -> None:
    actual, predicted = sample(100, 5)
    predicted[:11] = 20 * actual[:11]
    assert is_odd(predicted / actual).sum() >= 11
    assert equity("a part", actual, predicted, FEW).trimmed is None


@given(st.floats(0.5, 2.0))
def test_prices_that_are_all_off_by_the_same_share_are_fair(share: float) -> None:
    actual, _ = sample(50, 0)
    found = equity("a part", actual, share * actual, FEW)
    assert (found.cod, found.prd, found.prb) == pytest.approx((0, 1, 0), abs=1e-9)


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    truth = equity("all", *sample(400_000, 1), Bootstrap(samples=1)).prb
    intervals = [equity("some", *sample(400, seed), FEW).intervals["prb"] for seed in range(100)]
    assert sum(low <= truth <= high for low, high in intervals) >= 88


def test_a_price_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="above 0"):
        equity("a part", [100_000.0, 200_000.0], [0.0, 200_000.0], FEW)


@pytest.fixture(scope="module")
def evaluation(housing_frame: pd.DataFrame) -> Evaluation:
    frame = housing_frame.sample(800, random_state=2)
    actual = frame[TARGET].to_numpy()
    price = actual * (actual / 200_000) ** -0.3
    price[actual.argmin()] *= 4  # an odd one
    config = EvaluationConfig(bootstrap_samples=100)
    return evaluate(to_matrix(frame), actual, Prediction(price, price, price), config)


def test_an_evaluation_has_the_figures_of_all_rows_and_of_each_region(
    evaluation: Evaluation,
) -> None:
    first, *regions = evaluation.equity
    assert (first.part, first.rows) == (EVERYWHERE, 800)
    assert {item.part for item in regions} == {
        item.name for item in evaluation.slices if item.kind == "region"
    }
    assert sum(item.rows for item in regions) == 800
    assert first.prb < -0.1
    for item in evaluation.equity:
        for name, (low, high) in item.intervals.items():
            assert low <= item.named[name] <= high


def test_the_report_and_the_registry_are_told_with_intervals_and_by_region(
    evaluation: Evaluation,
) -> None:
    rows = equity_rows(evaluation.equity)
    assert rows[0]["PRB"].startswith(f"{evaluation.equity[0].prb:+.3f} (")
    predictions = DatasetRef(key="k", sha256="0" * 64, size=1, rows=1, columns=("identity",))
    result = EvaluationResult(
        evaluation=evaluation, skew=0.0, importances=(), places=PLACES, predictions=predictions
    )
    told = result.told().metrics
    assert told["prd"] == evaluation.equity[0].prd
    assert told["prd_low"] <= told["prd"] <= told["prd_high"]
    assert told["prd_trimmed"] < told["prd"]
    assert {"cod_los_angeles", "prd_san_francisco_low", "prb_fresno_high"} <= set(told)
