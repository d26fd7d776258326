"""A scale by price: every price is covered alike, and few rows change little."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from housing_ml.config.modelling import TrainingConfig
from housing_ml.modelling.conformal import as_of_all_rows, calibrate
from housing_ml.modelling.price_scale import SAME, scale_by_price

LEVEL = 0.9


def needs(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Prices, and scales that rows need: the cheapest half as much as the dearest."""
    random = np.random.default_rng(seed)
    price = random.lognormal(12, 0.5, rows)
    rank = price.argsort().argsort() / rows
    return price, np.abs(random.normal(size=rows)) * (0.5 + 0.5 * rank)


def test_every_price_is_reached_alike() -> None:
    scale = scale_by_price(*needs(20_000, 0), LEVEL)
    price, needed = needs(20_000, 1)
    reached = needed <= scale(price)
    for band in np.array_split(np.argsort(price), 4):
        assert abs(reached[band].mean() - LEVEL) < 0.02
    assert scale.factors[-1] == pytest.approx(1.8 * scale.factors[0], rel=0.1)


def test_few_rows_are_scaled_by_little() -> None:
    many, few = (scale_by_price(*needs(rows, 2), LEVEL).factors for rows in (20_000, 400))
    assert np.ptp(few) < 0.8 * np.ptp(many)


@given(rows=st.integers(1, 60), seed=st.integers(0, 100))
def test_any_number_of_rows_has_a_scale(rows: int, seed: int) -> None:
    price, needed = needs(rows, seed)
    factors = scale_by_price(price, needed, LEVEL)(price)
    assert np.isfinite(factors).all()
    assert (factors <= needed.max() * (1 + 1e-12)).all()


def test_no_scale_is_one() -> None:
    assert SAME(np.array([1.0, 1e6])).tolist() == [1.0, 1.0]


def test_intervals_of_heavy_and_of_light_tails_cover_alike() -> None:
    random = np.random.default_rng(3)
    price = random.uniform(50_000, 500_000, 8000)
    cheap = price < 200_000
    error = np.where(cheap, random.uniform(-2, 2, 8000), random.standard_t(3, 8000)) * 20_000
    known = np.column_stack([random.uniform(size=8000), price])
    old, new = slice(0, 6000), slice(6000, None)
    found = calibrate(known[old], error[old], TrainingConfig(interval_level=LEVEL))
    spread = found.spread(known[new])
    low, high = found.interval.lower * spread, found.interval.upper * spread
    covered = (error[new] >= low) & (error[new] <= high)
    for part in (cheap[new], ~cheap[new]):
        assert abs(covered[part].mean() - LEVEL) < 0.03


def test_errors_are_taken_for_smaller_the_fewer_rows_the_folds_left() -> None:
    error = np.array([-10_000.0, 20_000.0])
    two, five, fifty = (np.abs(as_of_all_rows(error, folds) / error) for folds in (2, 5, 50))
    assert (two < five).all()
    assert (five < fifty).all()
    assert (fifty < 1).all()
    assert five == pytest.approx(0.978, abs=0.001)
