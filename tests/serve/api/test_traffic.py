"""Traffic by minute: counts, failures, and bounds of the latency's quantiles."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from serve.api.traffic import BOUNDS, MINUTES, Traffic

SECONDS = st.floats(0.0001, BOUNDS[-1])


@given(st.lists(SECONDS, min_size=1, max_size=50))
def test_a_quantile_is_the_upper_bound_of_the_bin_that_holds_it(seconds: list[float]) -> None:
    traffic = Traffic()
    for value in seconds:
        traffic.answered(200, value, now=60.0)

    found = traffic.minutes()

    for share, column in ((0.5, found.median_milliseconds), (0.99, found.p99_milliseconds)):
        exact = np.quantile(seconds, share, method="inverted_cdf")
        assert column == [1000 * min(bound for bound in BOUNDS if bound >= exact)]


def test_failures_are_counted_and_old_minutes_forgotten() -> None:
    traffic = Traffic()
    for minute in range(MINUTES + 5):
        for status in (200, 404, 503):
            traffic.answered(status, 0.001, now=60.0 * minute)

    found = traffic.minutes()

    assert found.minute == [60 * minute for minute in range(5, MINUTES + 5)]
    assert set(found.requests) == {3}
    assert set(found.failed) == {1}
