from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn import metrics as reference

from housing_ml.modelling.metrics import (
    METRIC_NAMES,
    Bootstrap,
    bootstrap_intervals,
    metrics,
    paired_bootstrap,
    wmape_interval,
)
from housing_ml.records.metrics import Metrics, PairedDifference

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pair = tuple[NDArray[np.float64], NDArray[np.float64]]


@st.composite
def pairs(draw: st.DrawFn) -> Pair:
    rows = draw(st.integers(1, 30))
    actual = arrays(np.float64, rows, elements=st.floats(15_000, 500_001))
    predicted = arrays(np.float64, rows, elements=st.floats(0, 1_000_000))
    return draw(actual), draw(predicted)


def sample(rows: int, seed: int = 0) -> Pair:
    generator = np.random.default_rng(seed)
    actual = generator.lognormal(12, 0.5, rows)
    return actual, actual * generator.normal(1, 0.2, rows)


laws = settings(max_examples=60, deadline=None)


@laws
@given(pairs())
def test_metrics_agree_with_scikit_learn(pair: Pair) -> None:
    actual, predicted = pair
    found = metrics(actual, predicted)

    assert found.mae == pytest.approx(reference.mean_absolute_error(actual, predicted))
    assert found.rmse == pytest.approx(reference.root_mean_squared_error(actual, predicted))
    assert found.mape == pytest.approx(reference.mean_absolute_percentage_error(actual, predicted))
    if np.std(actual) > 1e-6 * np.mean(actual):
        assert found.r2 == pytest.approx(reference.r2_score(actual, predicted))


@laws
@given(pairs())
def test_a_perfect_prediction_has_no_error(pair: Pair) -> None:
    actual, _ = pair

    assert metrics(actual, actual) == Metrics(
        **dict.fromkeys(("rmse", "mae", "mape", "smape", "wmape", "median_ape"), 0.0),
        **dict.fromkeys(("r2", "within_5", "within_10", "within_15"), 1.0),
    )


@laws
@given(pairs())
def test_metrics_keep_their_bounds_and_order(pair: Pair) -> None:
    found = metrics(*pair)

    assert 0 <= found.mae <= found.rmse * (1 + 1e-12)
    assert found.r2 <= 1
    assert 0 <= found.smape <= 2
    assert min(found.mape, found.wmape, found.median_ape) >= 0
    assert 0 <= found.within_5 <= found.within_10 <= found.within_15 <= 1


@laws
@given(pairs(), st.sampled_from([0.5, 2.0, 1024.0]))
def test_relative_metrics_ignore_the_currency_and_dollars_follow_it(
    pair: Pair, factor: float
) -> None:
    actual, predicted = pair
    here, there = metrics(actual, predicted), metrics(actual * factor, predicted * factor)

    for name in METRIC_NAMES:
        scale = factor if name in ("rmse", "mae") else 1
        assert getattr(there, name) == pytest.approx(getattr(here, name) * scale, rel=1e-9)


@laws
@given(pairs(), st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(pair: Pair, random: object) -> None:
    actual, predicted = pair
    order = np.random.default_rng(random.randrange(100)).permutation(len(actual))  # type: ignore[attr-defined]
    here, there = metrics(actual, predicted), metrics(actual[order], predicted[order])

    assert there.model_dump() == pytest.approx(here.model_dump(), rel=1e-9)


@laws
@given(pairs())
def test_smape_treats_both_sides_alike(pair: Pair) -> None:
    actual, predicted = pair
    predicted = np.maximum(predicted, 2.0)

    assert metrics(actual, predicted).smape == pytest.approx(metrics(predicted, actual).smape)


def test_the_edge_of_a_band_belongs_to_it() -> None:
    found = metrics([100.0, 100.0, 100.0, 100.0], [105.0, 90.0, 115.0, 120.0])

    assert (found.within_5, found.within_10, found.within_15) == (0.25, 0.5, 0.75)


@pytest.mark.parametrize(("predicted", "r2"), [([5.0, 5.0], 1.0), ([5.0, 6.0], 0.0)])
def test_r2_of_constant_prices_is_that_of_scikit_learn(predicted: list[float], r2: float) -> None:
    assert metrics([5.0, 5.0], predicted).r2 == r2


@pytest.mark.parametrize(
    ("actual", "predicted", "hint"),
    [
        ([], [], "at least one row"),
        ([1.0, 2.0], [1.0], r"\(2,\) and predicted \(1,\)"),
        ([[1.0]], [[1.0]], "one shape"),
        ([1.0], [np.nan], "predicted has 1 values"),
        ([np.inf], [1.0], "actual has 1 values"),
        ([0.0], [1.0], "above 0 dollars"),
    ],
)
def test_input_that_means_nothing_is_refused(
    actual: list[float], predicted: list[float], hint: str
) -> None:
    with pytest.raises(ValueError, match=hint):
        metrics(actual, predicted)


def test_intervals_hold_the_estimate_and_narrow_with_rows() -> None:
    few, many = sample(100), sample(2500)
    narrow = bootstrap_intervals(*many, Bootstrap(400, 0.95, 1))
    wide = bootstrap_intervals(*few, Bootstrap(400, 0.95, 1))

    for name, value in metrics(*many):
        assert narrow[name].low <= value <= narrow[name].high
        assert narrow[name].high - narrow[name].low < wide[name].high - wide[name].low


def test_a_bootstrap_interval_of_a_mean_is_that_of_the_normal_theory() -> None:
    actual, predicted = sample(2000)
    share = np.abs(predicted - actual) / actual
    low, high = bootstrap_intervals(actual, predicted, Bootstrap(2000, 0.95, 3))["mape"]

    assert high - low == pytest.approx(2 * 1.96 * share.std() / np.sqrt(2000), rel=0.06)


def test_the_same_seed_gives_the_same_intervals_and_another_seed_others() -> None:
    first, again, other = (
        bootstrap_intervals(*sample(50), Bootstrap(100, 0.9, seed)) for seed in (1, 1, 2)
    )

    assert first == again
    assert first != other
    assert wmape_interval(*sample(50), Bootstrap(100, 0.9, 1)) == first["wmape"]


def test_a_thousand_resamples_of_the_holdout_take_under_two_seconds() -> None:
    actual, predicted = sample(4100)
    start = time.process_time()

    bootstrap_intervals(actual, predicted, Bootstrap(1000))

    assert time.process_time() - start < 2


def test_a_better_model_is_told_from_its_rival_where_single_intervals_overlap() -> None:
    actual, champion = sample(1000)
    candidate = champion + 0.05 * (actual - champion)
    found = paired_bootstrap(actual, candidate, champion, Bootstrap(500))
    alone = [bootstrap_intervals(actual, p, Bootstrap(500))["wmape"] for p in (candidate, champion)]

    assert found.interval.high < 0
    assert alone[0].high > alone[1].low
    assert found.difference == pytest.approx(found.candidate - found.champion)
    assert found.candidate == pytest.approx(metrics(actual, candidate).wmape)


@laws
@given(pairs(), st.integers(0, 5))
def test_swapping_the_sides_mirrors_the_comparison(pair: Pair, seed: int) -> None:
    actual, candidate = pair
    champion = actual + 1000
    one = paired_bootstrap(actual, candidate, champion, Bootstrap(100, 0.9, seed))
    two = paired_bootstrap(actual, champion, candidate, Bootstrap(100, 0.9, seed))

    assert two.difference == pytest.approx(-one.difference)
    assert two.interval.low == pytest.approx(-one.interval.high)
    assert paired_bootstrap(actual, champion, champion, Bootstrap(100, 0.9, seed)).interval == (
        0,
        0,
    )


def test_the_comparison_survives_the_round_trip_through_json() -> None:
    actual, predicted = sample(50)
    found = paired_bootstrap(actual, predicted, actual, Bootstrap(100))

    assert PairedDifference.model_validate_json(found.model_dump_json()) == found
