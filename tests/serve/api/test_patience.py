"""A source that fails is left alone for a while; one that hangs is given up on."""

from __future__ import annotations

import threading
from typing import NoReturn

import pytest

from serve.sources.circuit_breaker import CircuitBreaker, CircuitOpenError
from serve.sources.deadline import Deadline
from tests.waiting import PATIENCE_SECONDS, until


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def fail() -> NoReturn:
    raise OSError("gone")


def answer_badly() -> NoReturn:
    raise KeyError("damaged")


def failed(breaker: CircuitBreaker, times: int) -> None:
    for _ in range(times):
        with pytest.raises(OSError, match="gone"):
            breaker.call(fail)


def test_after_three_failures_the_source_is_not_asked_until_the_pause_is_over() -> None:
    clock = Clock()
    breaker = CircuitBreaker("storage", clock=clock)
    failed(breaker, 2)
    failed(breaker, 1)
    with pytest.raises(CircuitOpenError, match=r"storage is left alone for 2\.0 s more"):
        breaker.call(fail)
    clock.now += 2
    assert breaker.call(lambda: 1) == 1
    assert (breaker.state, breaker.last_error) == ("closed", None)


def test_the_pause_doubles_up_to_its_limit() -> None:
    clock = Clock()
    breaker = CircuitBreaker("storage", clock=clock)
    failed(breaker, 3)
    for pause in (2, 4, 8, 16, 30, 30):
        clock.now += pause - 0.01
        assert breaker.state == "open"
        clock.now += 0.01
        failed(breaker, 1)


def test_one_of_many_callers_tries_a_source_when_the_pause_is_over() -> None:
    clock = Clock()
    breaker = CircuitBreaker("storage", clock=clock)
    failed(breaker, 3)
    clock.now += 2

    def another_caller_comes() -> int:
        with pytest.raises(CircuitOpenError):
            breaker.call(fail)
        return 1

    assert breaker.call(another_caller_comes) == 1
    assert breaker.state == "closed"


def test_an_error_that_shows_the_source_alive_is_told_and_opens_nothing() -> None:
    breaker = CircuitBreaker("storage", alive=(KeyError,))
    for _ in range(9):
        with pytest.raises(KeyError):
            breaker.call(answer_badly)
    assert breaker.state == "closed"
    assert breaker.last_error == "KeyError: 'damaged'"


def test_a_call_that_hangs_is_left_behind_and_no_second_one_is_started() -> None:
    deadline = Deadline()
    free = threading.Event()
    with pytest.raises(TimeoutError, match="no answer within"):
        deadline.call(free.wait, 0.05)
    with pytest.raises(TimeoutError, match="still hangs"):
        deadline.call(free.wait, 0.05)
    free.set()

    def answers() -> bool:
        try:
            return deadline.call(lambda: 42, PATIENCE_SECONDS) == 42
        except TimeoutError:  # the first call has not ended yet
            return False

    until(answers)


def test_the_calls_own_errors_come_through() -> None:
    with pytest.raises(OSError, match="gone"):
        Deadline().call(fail, PATIENCE_SECONDS)
