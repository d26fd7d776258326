"""The watch over a canary: bad ones are aborted soon, good ones nearly never."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from housing_ml.rollout.confidence import mean_difference_range, rate_range
from housing_ml.rollout.counts import Arm, Moments, Observation
from housing_ml.rollout.decision import WatchDecision, WatchPolicy, watch
from housing_ml.rollout.observations import gather_observations, report
from housing_ml.rollout.pairs import Cluster
from housing_ml.storage.errors import ReleaseError
from housing_ml.storage.versioned import LocalReleases
from tests.housing_ml.rollout.traffic import POLICY, Traffic, first_verdict

if TYPE_CHECKING:
    from pathlib import Path


def moments(values: np.ndarray) -> Moments:
    if not len(values):
        return Moments()
    return Moments(len(values), float(values.mean()), float(values.var() * len(values)))


def test_a_canary_that_is_as_good_is_nearly_never_aborted_and_mostly_promoted() -> None:
    actions = [first_verdict(Traffic(seed))[1].action for seed in range(80)]

    # At most 5 % are expected; 12 of 80 or more would come by chance once in a thousand times.
    assert actions.count("abort") < 12
    assert actions.count("promote") > 55


@pytest.mark.parametrize(
    ("fault", "name", "soon"),
    [
        ({"errors": 1.0}, "failed requests", 400),
        ({"errors": 0.1}, "failed requests", 4000),
        ({"slow": 0.5}, "slow requests", 700),
        ({"factor": 2.0}, "prices", 1500),
        ({"factor": 0.5}, "prices", 1500),
    ],
)
def test_a_bad_canary_is_aborted_soon_for_the_right_reason(
    fault: dict[str, float], name: str, soon: int
) -> None:
    for seed in range(5):
        request, decision = first_verdict(Traffic(seed, **fault))
        assert decision.action == "abort"
        assert decision.reasons[0].startswith(name)
        assert request <= soon


def known(caller: str, customers: int, rise: float) -> Observation:
    """Prices of a caller's customers, on which the canary's error is higher by `rise`."""
    generator = np.random.default_rng(customers)
    clusters = {
        f"{name:x}": Cluster(known=4, error=4 * (rise + generator.normal(0, 0.03)))
        for name in range(customers)
    }
    return Observation(pairs={caller: clusters})


def test_worse_feedback_aborts_unless_it_is_one_callers_and_none_is_no_obstacle() -> None:
    seen = Traffic(1).until(20_000)
    alone = seen + known("anna", 60, 0.08)

    assert watch(seen, POLICY, 1).action == "promote"
    assert watch(alone, POLICY, 1).action != "abort"
    decision = watch(seen + known("anna", 60, 0.08) + known("bert", 50, 0.08), POLICY, 1)
    assert decision.action == "abort"
    assert "error on feedback" in decision.reasons[0]
    honest = seen + known("bert", 60, 0.0) + known("carl", 60, 0.0)
    assert watch(honest + known("mallory", 200, 0.9), POLICY, 1).action != "abort"


@pytest.mark.parametrize(
    "fault",
    [{"failed": 8}, {"slow": 8}, {"log_ratio": 8 * math.log(2)}, {"known": 8, "error": 8 * 0.9}],
    ids=["failures", "slow requests", "prices", "feedback"],
)
def test_a_caller_with_a_fiftieth_of_the_requests_aborts_nothing(fault: dict[str, Any]) -> None:
    traffic = Traffic(1).until(20_000) + known("bert", 60, 0.0) + known("carl", 60, 0.0)
    cluster = Cluster(**{"requests": 8, "priced": 8, **fault})
    mallory = Observation(pairs={"mallory": {f"{name:x}": cluster for name in range(5)}})

    assert watch(traffic, POLICY, 1).action == "promote"
    assert watch(traffic + mallory, POLICY, 1).action != "abort"


@pytest.mark.parametrize("batches", [False, True])
@pytest.mark.parametrize("customers", [10, 30, 100, 300])
def test_an_identical_canary_is_not_aborted_whatever_its_customers_send(
    customers: int, *, batches: bool
) -> None:
    traffic = (
        Traffic(seed, area=0, customers=customers, batches=batches, share=0.3) for seed in range(20)
    )
    actions = [first_verdict(item)[1].action for item in traffic]

    assert actions.count("abort") <= 1  # 5 %


@pytest.mark.parametrize("customers", [10, 30, 100, 300, None])
def test_a_canary_whose_prices_are_off_by_a_twentieth_is_stopped(customers: int) -> None:
    for seed in range(5):
        traffic = Traffic(
            seed, factor=1.05, area=0.01, customers=customers, batches=True, share=0.3
        )
        _, decision = first_verdict(traffic)
        assert decision.action == "abort"
        assert decision.reasons[0].startswith("prices")
        assert decision.requests <= 300


def test_what_follows_is_a_matter_of_policy() -> None:
    good, early = Traffic(1).until(20_000), Traffic(1).until(100)

    assert watch(good, WatchPolicy(when_good="ask"), 1).action == "ask"
    assert watch(early, POLICY, 1).action == "wait"
    assert watch(early, POLICY, 25).action == "ask"
    assert watch(early, WatchPolicy(when_open="abort"), 25).action == "abort"
    assert watch(Observation(), POLICY, 25).reasons[0].startswith("failed requests")


def test_a_decision_survives_the_round_trip_through_json() -> None:
    decision = watch(Observation(), POLICY, 1)

    assert WatchDecision.model_validate_json(decision.model_dump_json()) == decision


@pytest.mark.parametrize("rate", [0.002, 0.1, 0.5])
def test_a_rate_is_missed_at_any_look_as_seldom_as_promised(rate: float) -> None:
    missed = 0
    for seed in range(200):
        events = np.cumsum(np.random.default_rng(seed).random(2000) < rate)
        ends = (rate_range(int(events[n - 1]), n, 0.1) for n in range(20, 2001, 90))
        missed += any(not low <= rate <= high for low, high in ends)

    assert missed <= 35  # 10 % are allowed; 36 would come by chance once in a thousand times


def test_a_mean_is_missed_at_any_look_as_seldom_as_promised() -> None:
    missed = 0
    for seed in range(300):
        values = np.random.default_rng(seed).lognormal(0, 0.5, (2, 3000))
        pairs = ((moments(values[0, :n]), moments(values[1, :n])) for n in range(50, 3001, 100))
        ends = (mean_difference_range(*pair, scale=0.1, level=0.1) for pair in pairs)
        missed += any(not low <= 0 <= high for low, high in ends)

    assert missed <= 48  # 10 % are allowed; 49 would come by chance once in a thousand times


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 500), st.integers(0, 500))
def test_a_rate_lies_in_its_range_which_narrows_with_the_level(events: int, misses: int) -> None:
    attempts = events + misses
    low, high = rate_range(events, attempts, 0.01)
    inner = rate_range(events, attempts, 0.1)

    assert 0 <= low <= inner.low <= inner.high <= high <= 1
    if attempts:
        assert low <= events / attempts <= high


numbers = st.lists(st.floats(-10, 10), max_size=20).map(np.array)


@given(numbers, numbers)
def test_moments_add_up(first: np.ndarray, second: np.ndarray) -> None:
    found = moments(first) + moments(second)
    whole = moments(np.concatenate([first, second]))

    assert found.count == whole.count
    assert found.mean == pytest.approx(whole.mean, abs=1e-9)
    assert found.squares == pytest.approx(whole.squares, abs=1e-6)


def test_moments_grow_one_by_one() -> None:
    found = Moments()
    for value in (1.0, 2.0, 6.0):
        found = found.including(value)

    assert (found.count, found.mean, found.squares) == (3, 3, 14)


def test_the_reports_of_all_workers_count_those_of_the_dead_too(tmp_path: Path) -> None:
    storage = LocalReleases(tmp_path)
    for worker in ("1", "2", "2"):
        report(storage, "probation", worker, Observation(canary=Arm(requests=5, errors=1)))

    assert gather_observations(storage, "probation").canary.requests == 10
    assert gather_observations(storage, "another") == Observation()

    storage.write("watch/probation/3.json", b"{")
    with pytest.raises(ReleaseError, match="damaged"):
        gather_observations(storage, "probation")
