"""Live error: figures of sums equal figures of rows, intervals hold, few rows say so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from housing_ml.config.monitoring import PerformanceConfig
from housing_ml.modelling.metrics import metrics
from housing_ml.monitoring import intervals
from housing_ml.monitoring.performance import (
    Expected,
    Group,
    LiveError,
    Sums,
    live_errors,
    over_limit,
    sums,
)

CONFIG = PerformanceConfig()
DAY = datetime(2026, 3, 1, tzinfo=UTC)
GROUP = Group(DAY, "7", "INLAND")
EXPECTED = Expected(wmape=0.12, coverage=0.9)


def drawn(rows: int, seed: int, spread: float = 0.15) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    actual = random.lognormal(12, 0.5, rows)
    return actual, actual * np.exp(random.normal(0, spread, rows))


def total(actual: np.ndarray, price: np.ndarray) -> Sums:
    parts = sums(actual, price, 0.8 * price, 1.2 * price)
    return Sums(*parts.sum(axis=0).tolist())


def overall(found: Sums) -> LiveError:
    return live_errors({GROUP: found}, CONFIG)[0]


@settings(max_examples=25, deadline=None)
@given(rows=st.integers(50, 400), seed=st.integers(0, 1000))
def test_sums_give_the_same_figures_as_rows(rows: int, seed: int) -> None:
    actual, price = drawn(rows, seed)
    found = overall(total(actual, price)).estimates
    expected = metrics(actual, price)

    assert found is not None
    assert found.mape.value == pytest.approx(expected.mape)
    assert found.wmape.value == pytest.approx(expected.wmape)
    assert found.within_10.value == pytest.approx(expected.within_10)
    assert found.bias.value == pytest.approx((price - actual).sum() / actual.sum())
    inside = (0.8 * price <= actual) & (actual <= 1.2 * price)
    assert found.coverage.value == pytest.approx(inside.mean())
    for name in ("mape", "wmape", "within_10", "bias", "coverage"):
        estimate = getattr(found, name)
        assert estimate.low <= estimate.value <= estimate.high


@settings(max_examples=25, deadline=None)
@given(cut=st.integers(0, 300), seed=st.integers(0, 1000))
def test_parts_in_any_order_add_up_to_the_whole(cut: int, seed: int) -> None:
    actual, price = drawn(300, seed)
    first, second = total(actual[:cut], price[:cut]), total(actual[cut:], price[cut:])

    assert second.plus(first) == pytest.approx(total(actual, price))


@pytest.mark.parametrize("figure", ["wmape", "mape", "within_10"])
def test_an_interval_holds_the_truth_about_as_often_as_it_says(figure: str) -> None:
    many = overall(total(*drawn(400_000, 1))).estimates
    truth = getattr(many, figure).value
    found = [getattr(overall(total(*drawn(300, seed))).estimates, figure) for seed in range(300)]

    hits = np.mean([item.low <= truth <= item.high for item in found])
    assert 0.91 <= hits <= 0.985


def test_wilsons_interval_is_that_of_the_literature() -> None:
    found = intervals.share(8, 10, intervals.normal_quantile(0.95))

    assert (found.low, found.high) == pytest.approx((0.490, 0.943), abs=0.001)


def test_few_rows_have_no_figures_and_say_so() -> None:
    found = overall(total(*drawn(CONFIG.minimum_rows - 1, 0)))

    assert found.rows == CONFIG.minimum_rows - 1
    assert found.estimates is None
    assert over_limit(found, EXPECTED, CONFIG) == ()


def test_errors_are_told_apart_by_day_segment_and_version() -> None:
    good, bad = total(*drawn(200, 0)), total(*drawn(200, 1, spread=0.5))
    next_day = DAY + timedelta(days=1)
    groups = {
        Group(DAY, "7", "INLAND"): good,
        Group(DAY, "7", "ISLAND"): good,
        Group(next_day, "8", "INLAND"): bad,
    }

    found = {(item.kind, item.name): item for item in live_errors(groups, CONFIG)}

    assert [item.kind for item in live_errors(groups, CONFIG)][:3] == ["all", "day", "day"]
    assert found["all", "all"].rows == 600
    assert found["version", "7"].rows == found["segment", "INLAND"].rows == 400
    new, old = found["version", "8"].estimates, found["day", DAY.isoformat(timespec="minutes")]
    assert new is not None
    assert old.estimates is not None
    assert new.wmape.low > old.estimates.wmape.high


def test_the_limit_is_passed_by_the_whole_interval_only() -> None:
    steady, worse = overall(total(*drawn(2000, 0))), overall(total(*drawn(2000, 0, spread=0.35)))
    assert steady.estimates is not None
    wmape = steady.estimates.wmape
    near = Expected(wmape=wmape.value / CONFIG.error_ratio * 0.999, coverage=0.5)

    assert wmape.value > near.wmape * CONFIG.error_ratio
    assert over_limit(steady, near, CONFIG) == ()
    reasons = over_limit(worse, EXPECTED, CONFIG)
    assert "live wMAPE" in reasons[0]
    assert "intervals hold" in reasons[1]
