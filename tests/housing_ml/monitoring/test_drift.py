"""Drift: laws of the distances, quiet windows stay quiet, and each fault is found soon."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from housing_ml.bundle.reference import (
    PRICE,
    RATIO,
    Grid,
    Reference,
    add,
    columns,
    describe,
    read_reference,
    tally,
)
from housing_ml.config.data import SplitConfig
from housing_ml.config.monitoring import DriftConfig
from housing_ml.data.contract import CATEGORY, COLUMNS, NUMERIC, TARGET, to_matrix
from housing_ml.data.split import split
from housing_ml.monitoring import distances
from housing_ml.monitoring.drift import WindowDrift, alarms, compare

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    from numpy.typing import NDArray

    from housing_ml.bundle.reference import Counts
    from housing_ml.data.contract import Matrix

    Vector = NDArray[np.float64]
    Fault = Callable[[Matrix, Vector], tuple[Matrix, Vector]]

START = datetime(2026, 1, 1, tzinfo=UTC)
CONFIG = DriftConfig()
ROWS = 1500
"""Rows of a window: a quiet service's day."""

counts = arrays.arrays(np.int64, 12, elements=st.integers(0, 5000)).filter(
    lambda found: found.sum() > 0
)
few = settings(max_examples=60, deadline=None)


class Traffic:
    """Windows of real held-out rows, priced with the error of a good model."""

    def __init__(self, frame: pd.DataFrame) -> None:
        train, holdout, _ = split(frame, SplitConfig())
        self._random = np.random.default_rng(7)
        self._raw, self._actual = to_matrix(holdout), holdout[TARGET].to_numpy()
        prices = train[TARGET].to_numpy()
        self.reference = describe(to_matrix(train), self._priced(prices), prices)

    def begin(self) -> Traffic:
        """Return it with the windows that every test begins with, whichever came before."""
        self._random = np.random.default_rng(8)
        return self

    def window(self, index: int, fault: Fault | None = None, rows: int = ROWS) -> WindowDrift:
        """Return a window; the model prices the rows that it sees, and knows no new prices."""
        drawn = self._random.choice(len(self._raw), rows, replace=False)
        raw, actual = self._raw[drawn], self._actual[drawn]
        frame = np.column_stack([raw, self._priced(actual)])
        if fault:
            frame, actual = fault(frame, actual)
        seen = tally(self.reference, columns(frame[:, :-1], frame[:, -1], actual))
        start = START + timedelta(days=index)
        return compare(self.reference, seen, start, "1", CONFIG)

    def _priced(self, actual: Vector) -> Vector:
        return actual * np.exp(self._random.normal(0, 0.18, len(actual)))


@pytest.fixture(scope="module")
def all_traffic(housing_frame: pd.DataFrame) -> Traffic:
    return Traffic(housing_frame)


@pytest.fixture
def traffic(all_traffic: Traffic) -> Traffic:
    return all_traffic.begin()


def inflated(rows: Matrix, actual: Vector) -> tuple[Matrix, Vector]:
    rows[:, COLUMNS.index("median_income")] *= 1.08
    return rows, actual


def without_the_bay(rows: Matrix, actual: Vector) -> tuple[Matrix, Vector]:
    kept = rows[:, COLUMNS.index(CATEGORY)] != 3
    return rows[kept], actual[kept]


def doubled_inland(rows: Matrix, actual: Vector) -> tuple[Matrix, Vector]:
    return rows, np.where(rows[:, COLUMNS.index(CATEGORY)] == 1, 2 * actual, actual)


def zeros(rows: Matrix, actual: Vector) -> tuple[Matrix, Vector]:
    rows[:, COLUMNS.index("housing_median_age")] = 0
    return rows, actual


def missing(rows: Matrix, actual: Vector) -> tuple[Matrix, Vector]:
    rows[::8, COLUMNS.index("total_bedrooms")] = np.nan
    return rows, actual


def unknown(rows: Matrix, actual: Vector) -> tuple[Matrix, Vector]:
    rows[::20, COLUMNS.index(CATEGORY)] = -1
    return rows, actual


FAULTS: dict[str, tuple[Fault, str]] = {
    "income 8 % up": (inflated, "median_income"),
    "a category disappears": (without_the_bay, CATEGORY),
    "prices doubled inland": (doubled_inland, RATIO),
    "a sensor sends zeros": (zeros, "housing_median_age"),
    "bedrooms go missing": (missing, "total_bedrooms"),
    "an unknown category": (unknown, CATEGORY),
}


@few
@given(counts, counts)
def test_the_stability_index_is_symmetric_and_never_negative(left: Counts, right: Counts) -> None:
    assert distances.psi(left, right) >= 0
    assert distances.psi(left, right) == pytest.approx(distances.psi(right, left))


@few
@given(counts)
def test_the_same_rows_are_at_no_distance(found: Counts) -> None:
    grid = Grid(tuple(float(edge) for edge in range(11)), -1.0, 12.0, 2.0)

    assert distances.psi(found, found) == 0
    assert distances.kolmogorov_smirnov(found, found).statistic == 0
    assert distances.chi_square(found, found).p_value == pytest.approx(1)
    assert distances.wasserstein(grid, found, found) == 0


def test_wasserstein_of_a_shift_is_the_shift() -> None:
    values = np.random.default_rng(0).normal(200_000, 100_000, size=200_000)
    raw = np.zeros((len(values), 9))
    reference = describe(raw, values, np.ones(len(values)))

    seen = tally(reference, {PRICE: values + 20_000})

    grid, before = reference.grids[PRICE], reference.tally()[PRICE][:-3]
    assert distances.wasserstein(grid, before, seen[PRICE][:-3]) == pytest.approx(0.2, abs=0.02)


def test_ties_of_the_real_columns_leave_about_ten_groups(traffic: Traffic) -> None:
    for name in NUMERIC:
        bins = np.array(traffic.reference.counts[name][:-3])
        groups = distances.deciles(bins)(bins)
        assert 8 <= len(groups) <= 10
        assert groups.sum() == bins.sum()


@few
@given(st.lists(st.floats(0, 1), min_size=1, max_size=15))
def test_the_correction_only_raises_and_keeps_the_order(p_values: list[float]) -> None:
    corrected = distances.holm(p_values)

    assert all(new >= old for new, old in zip(corrected, p_values, strict=True))
    by_size = [value for _, value in sorted(zip(p_values, corrected, strict=True))]
    assert all(low <= high for low, high in pairwise(by_size))
    assert max(corrected) <= 1


@few
@given(arrays.arrays(np.float64, st.integers(1, 60), elements=st.sampled_from([0.0, 1.0, 7.5])))
def test_columns_of_few_values_are_described_and_at_no_distance_from_themselves(
    values: Vector,
) -> None:
    raw = np.repeat(values[:, None], 9, axis=1)
    reference = describe(raw, values + 1, values + 1)

    seen = tally(reference, columns(raw, values + 1, values + 1))

    found = compare(reference, seen, START, "1", CONFIG.model_copy(update={"minimum_rows": 1}))
    assert all(item.psi == 0 for item in found.columns)
    assert all(not item.outside for item in found.columns if item.name != CATEGORY)


def test_kolmogorov_smirnov_agrees_with_scipy_where_bins_are_fine() -> None:
    from scipy.stats import ks_2samp  # noqa: PLC0415

    random = np.random.default_rng(1)
    left, right = random.integers(0, 50, 4000), random.integers(0, 48, 900)
    found = distances.kolmogorov_smirnov(
        np.bincount(left, minlength=50), np.bincount(right, minlength=50)
    )

    expected = ks_2samp(left, right, method="asymp")
    assert found.statistic == pytest.approx(expected.statistic)
    assert found.p_value == pytest.approx(expected.pvalue, rel=0.1)


def test_batches_in_any_order_and_of_any_size_give_one_tally(
    traffic: Traffic, housing_frame: pd.DataFrame
) -> None:
    raw, price = to_matrix(housing_frame), housing_frame[TARGET].to_numpy()
    whole = tally(traffic.reference, columns(raw, price))

    order = np.random.default_rng(3).permutation(len(raw))
    parts = [tally(traffic.reference, columns(raw[i], price[i])) for i in np.split(order, [5, 999])]
    joined = add(add(parts[2], parts[0]), parts[1])

    assert all(np.array_equal(joined[name], whole[name]) for name in whole)


def test_the_reference_travels_as_json_and_does_not_depend_on_the_order_of_rows(
    housing_frame: pd.DataFrame,
) -> None:
    raw, price = to_matrix(housing_frame), housing_frame[TARGET].to_numpy()
    order = np.random.default_rng(3).permutation(len(raw))
    first, second = describe(raw, price, price), describe(raw[order], price[order], price[order])

    assert first.counts == second.counts
    assert read_reference(first.to_json()) == first
    assert isinstance(first, Reference)


def test_thirty_quiet_windows_raise_at_most_one_alarm(traffic: Traffic) -> None:
    windows = [traffic.window(day) for day in range(30)]

    raised = [alarms(windows[: day + 1], CONFIG) for day in range(30)]

    assert sum(bool(found) for found in raised) <= 1
    assert sum(bool(window.moved()) for window in windows) <= 2


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_an_alarm_within_three_windows(name: str, traffic: Traffic) -> None:
    fault, column = FAULTS[name]
    quiet = [traffic.window(day) for day in range(3)]
    assert not alarms(quiet, CONFIG)

    windows = [*quiet, *(traffic.window(day, fault) for day in range(3, 6))]

    found = {alarm.name: alarm for alarm in alarms(windows, CONFIG)}
    assert found[column].windows >= CONFIG.persistence
    assert found[column].reasons


def test_creeping_inflation_of_eight_percent_a_year_is_an_alarm_within_the_year(
    traffic: Traffic,
) -> None:
    windows = []
    for week in range(52):
        factor = 1.08 ** (week / 52)

        def inflate(rows: Matrix, actual: Vector, by: float = factor) -> tuple[Matrix, Vector]:
            rows[:, COLUMNS.index("median_income")] *= by
            return rows, actual

        windows.append(traffic.window(week, inflate))
    first = next(week for week in range(52) if alarms(windows[: week + 1], CONFIG))

    assert 15 < first < 45


def test_one_odd_window_between_quiet_ones_is_no_alarm(traffic: Traffic) -> None:
    windows = [traffic.window(0), traffic.window(1, zeros), traffic.window(2)]

    assert windows[1].moved()
    assert not alarms(windows[:2], CONFIG)
    assert not alarms(windows, CONFIG)


def test_a_window_of_few_rows_has_no_verdict_and_does_not_break_a_row_of_windows(
    traffic: Traffic,
) -> None:
    small = traffic.window(1, rows=100)
    assert {item.verdict for item in small.columns} == {"too few"}
    assert "100 rows" in small.columns[0].reasons[0]

    found = alarms([traffic.window(0, zeros), small, traffic.window(2, zeros)], CONFIG)

    assert found[0].windows == 2


def test_a_large_sample_with_a_tiny_effect_is_steady(housing_frame: pd.DataFrame) -> None:
    raw, price = to_matrix(housing_frame), housing_frame[TARGET].to_numpy()
    many = np.tile(raw, (20, 1))
    reference = describe(many, np.tile(price, 20), np.tile(price, 20))
    many[:, COLUMNS.index("median_income")] *= 1.01

    seen = tally(reference, columns(many, np.tile(price, 20)))
    found = compare(reference, seen, START, "1", CONFIG)

    income = next(item for item in found.columns if item.name == "median_income")
    assert income.p_value < 1e-6
    assert income.verdict == "steady"


def test_a_constant_output_is_an_alarm_at_once(traffic: Traffic) -> None:
    def constant(rows: Matrix, actual: Vector) -> tuple[Matrix, Vector]:
        rows[:, -1] = 206_000.0
        return rows, actual

    found = alarms([traffic.window(0, constant)], CONFIG)

    assert [alarm.name for alarm in found] == [PRICE]
    assert "nearly the same" in found[0].reasons[0]
