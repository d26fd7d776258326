"""The intervals cover what they promise, wide where prices are uncertain."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from housing_ml.config.modelling import TrainingConfig
from housing_ml.modelling.conformal import Priced, calibrate, conformal_quantile

scores = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=80).map(np.array)


@settings(max_examples=100, deadline=None)
@given(scores=scores, level=st.floats(0.5, 0.99))
def test_the_quantile_covers_its_share_of_the_scores_and_is_the_least_that_does(
    scores: np.ndarray, level: float
) -> None:
    quantile = conformal_quantile(scores, level)
    needed = min(np.ceil((len(scores) + 1) * level), len(scores))
    assert (scores <= quantile).sum() >= needed
    assert (scores < quantile).sum() < needed


def test_a_new_score_is_covered_as_often_as_promised() -> None:
    random = np.random.default_rng(0)
    draws = random.gamma(2, size=(4000, 20))
    covered = [row[-1] <= conformal_quantile(row[:-1], 0.9) for row in draws]
    assert abs(np.mean(covered) - 0.9) < 0.02


def test_intervals_cover_in_calm_and_in_noisy_regions() -> None:
    random = np.random.default_rng(1)
    X = random.uniform(size=(6000, 3))
    noisy = X[:, 0] > 0.5
    error = random.normal(size=6000) * np.where(noisy, 60_000, 10_000)
    error += 20_000 * (random.random(6000) < 0.05)  # the upper tail is longer
    train, new = slice(0, 4000), slice(4000, None)
    calibration = calibrate(X[train], error[train], TrainingConfig(interval_level=0.9))
    spread, interval = calibration.spread(X[new]), calibration.interval
    covered = (error[new] >= interval.lower * spread) & (error[new] <= interval.upper * spread)
    assert abs(covered.mean() - 0.9) < 0.02
    for region in (noisy[new], ~noisy[new]):
        assert abs(covered[region].mean() - 0.9) < 0.04
    assert spread[noisy[new]].mean() > 4 * spread[~noisy[new]].mean()


def test_each_tail_has_its_own_factor() -> None:
    random = np.random.default_rng(2)
    error = random.exponential(30_000, size=3000) - 10_000
    interval = calibrate(random.uniform(size=(3000, 2)), error, TrainingConfig()).interval
    assert interval.lower < 0 < interval.upper
    assert interval.upper > 2 * -interval.lower


def test_errors_of_zero_give_an_interval_of_the_price_itself() -> None:
    X = np.random.default_rng(3).uniform(size=(200, 2))
    calibration = calibrate(X, np.zeros(200), TrainingConfig())
    assert (calibration.spread(X) == 1).all()
    assert calibration.interval.lower == calibration.interval.upper == 0


def test_the_spread_learns_what_distance_does_from_rows_beyond_their_block() -> None:
    random = np.random.default_rng(4)
    near, far = random.uniform(size=(2, 1500, 3))
    far[:, 0] *= 20
    errors = [
        random.normal(size=1500) * 10_000 * (1 + kilometres) for kilometres in (near.T[0], far.T[0])
    ]
    places = np.array([[0.5, 0.5, 0.5], [18.0, 0.5, 0.5]])

    without = calibrate(near, errors[0], TrainingConfig()).spread(places)
    within = calibrate(
        near, errors[0], TrainingConfig(), Priced(np.arange(1500), far, errors[1])
    ).spread(places)

    assert without[1] < 2 * without[0]
    assert within[1] > 6 * within[0]
    assert within[0] < 1.25 * without[0]


def test_the_spread_is_the_mean_size_of_the_errors() -> None:
    random = np.random.default_rng(5)
    X = random.uniform(size=(2000, 2))
    error = random.normal(size=2000) * 30_000 * (0.5 + X[:, 0])
    assert calibrate(X, error, TrainingConfig()).spread(X).sum() == pytest.approx(
        np.abs(error).sum(), rel=0.02
    )
