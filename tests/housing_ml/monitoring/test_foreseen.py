"""The error that a model foresees of its own prices, beside the one that comes true."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from housing_ml.bundle.spread import spread_of
from housing_ml.data.contract import COLUMNS
from housing_ml.monitoring.foreseen import Spreads, foreseen, spreads
from housing_ml.monitoring.intervals import normal_quantile

if TYPE_CHECKING:
    from tests.housing_ml.conftest import CaliforniaModel
    from tests.housing_ml.monitored_service import Vector

Z = normal_quantile(0.95)
TILTED = ("median_income", "longitude", "latitude", "housing_median_age")
WINDOWS = 200


def total(price: Vector, spread: Vector) -> Spreads:
    return Spreads(*spreads(price, spread).sum(axis=0).tolist())


def test_the_bounds_of_a_price_tell_the_spread_that_made_them(
    california: CaliforniaModel,
) -> None:
    bundle, raw = california.bundle, california.holdout.raw
    price, spread = bundle.score(bundle.features.transform(raw))
    inside = (price > bundle.manifest.price_range.minimum) & (
        price < bundle.manifest.price_range.maximum
    )

    found = spread_of(*bundle.predict_matrix(raw), bundle.manifest)

    right = np.isclose(found, spread, rtol=1e-6)
    assert right[inside].mean() > 0.99
    assert found.sum() == pytest.approx(spread.sum(), rel=0.02)


def test_the_interval_holds_the_real_error_of_nine_windows_in_ten_however_they_are_tilted(
    california: CaliforniaModel,
) -> None:
    """Other places and incomes than the holdout's, and the same relation of price to inputs."""
    bundle, (raw, actual) = california.bundle, california.holdout
    found = bundle.predict_matrix(raw)
    spread = spread_of(*found, bundle.manifest)
    random = np.random.default_rng(3)
    estimates, real = [], []
    for window in range(WINDOWS):
        column = raw[:, COLUMNS.index(TILTED[window % len(TILTED)])]
        tilt = random.normal() * (column - column.mean()) / column.std()
        weights = np.exp(np.clip(tilt, -4, 4))
        rows = random.choice(len(raw), 500, p=weights / weights.sum())
        estimates.append(foreseen(total(found.price[rows], spread[rows]), len(rows), Z))
        error = np.abs(found.price[rows] - actual[rows]).sum()
        real.append(error / actual[rows].sum())

    held = [
        item is not None and item.low <= value <= item.high
        for item, value in zip(estimates, real, strict=True)
    ]
    values = [item.value for item in estimates if item]
    assert np.mean(held) >= 0.9
    assert np.corrcoef(values, real)[0, 1] > 0.85


def test_nothing_is_foreseen_of_no_rows() -> None:
    assert foreseen(Spreads(), 0, Z) is None


def test_few_known_prices_widen_the_interval() -> None:
    seen = total(np.full(1000, 200_000.0), np.full(1000, 20_000.0))
    all_known, few_known = foreseen(seen, 1000, Z), foreseen(seen, 50, Z)

    assert all_known is not None
    assert few_known is not None
    assert all_known.value == few_known.value == pytest.approx(0.1)
    assert few_known.high > all_known.high
