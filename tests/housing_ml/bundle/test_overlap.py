"""Items are worked on together, come back in order, and are taken no sooner than needed."""

from __future__ import annotations

import threading
import time

import pytest

from housing_ml.bundle.overlap import overlapping
from tests.waiting import PATIENCE_SECONDS


def test_results_come_in_the_order_of_the_items() -> None:
    def wait(number: int) -> int:
        time.sleep(0.01 * (number % 3))
        return number

    assert list(overlapping(wait, range(10), 3)) == list(range(10))


def test_two_items_are_worked_on_together() -> None:
    together = threading.Barrier(2, timeout=PATIENCE_SECONDS)

    assert sorted(overlapping(lambda _: together.wait(), range(4), 2)) == [0, 0, 1, 1]


def test_no_more_items_are_taken_than_there_are_places_and_one() -> None:
    taken = []
    results = overlapping(lambda item: item, (taken.append(item) or item for item in range(99)), 2)

    next(results)

    assert len(taken) == 3


def test_an_error_in_a_thread_is_raised_here() -> None:
    with pytest.raises(ZeroDivisionError):
        list(overlapping(lambda item: 1 // item, range(3), 2))
