"""The retraining policy: what calls for a model, what holds it back, and the laws of both."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from housing_ml.config.monitoring import RetrainingConfig
from housing_ml.monitoring.drift import Alarm
from housing_ml.monitoring.retraining import RULES, RetrainingEvidence, decide

NOW = datetime(2026, 6, 1, tzinfo=UTC)
CONFIG = RetrainingConfig()
DRIFT = Alarm(name="median_income", windows=3, reasons=("0.17 standard deviations away",))


def evidence(**changes: Any) -> RetrainingEvidence:
    """A quiet month of a fresh model with enough new rows."""
    quiet: dict[str, Any] = {
        "now": NOW,
        "trained_at": NOW - timedelta(days=30),
        "alarms": (),
        "live_error": (),
        "new_rows": 10_000,
        "retrains": (),
    }
    return RetrainingEvidence(**quiet | changes)


def ago(**delta: float) -> datetime:
    return NOW - timedelta(**delta)


def test_a_quiet_model_is_kept() -> None:
    decision = decide(evidence(), CONFIG)

    assert not decision.retrain
    assert str(decision) == "keep the model: nothing calls for a new model"
    assert [check.code for check in decision.checks] == [rule.code for rule in RULES]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"alarms": (DRIFT,)}, "median_income drifted"),
        ({"live_error": ("live wMAPE is 30.0%",)}, "live wMAPE is 30.0%"),
        ({"trained_at": ago(days=181)}, "the model is 181 days old"),
    ],
)
def test_one_reason_is_enough(changes: dict[str, Any], words: str) -> None:
    decision = decide(evidence(**changes), CONFIG)

    assert decision.retrain
    assert words in decision.reasons[0]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"new_rows": 499}, "499 new labelled rows"),
        ({"retrains": (ago(hours=23),)}, "the last retrain was 23 hours ago"),
        ({"retrains": tuple(ago(days=day) for day in (2, 3, 4, 5))}, "4 of 4 retrains"),
    ],
)
def test_each_brake_holds_it_back_and_says_why(changes: dict[str, Any], words: str) -> None:
    decision = decide(evidence(alarms=(DRIFT,), **changes), CONFIG)

    assert not decision.retrain
    assert words in decision.reasons[0]


def test_brakes_let_go_with_time() -> None:
    spent = tuple(ago(days=day) for day in (31, 32, 33, 34))

    assert decide(evidence(alarms=(DRIFT,), retrains=spent), CONFIG).retrain


any_evidence = st.builds(
    evidence,
    alarms=st.sampled_from([(), (DRIFT,)]),
    live_error=st.sampled_from([(), ("live wMAPE is 30.0%",)]),
    trained_at=st.none() | st.integers(0, 400).map(lambda days: ago(days=days)),
    new_rows=st.integers(0, 1000),
    retrains=st.lists(st.integers(1, 2000).map(lambda hours: ago(hours=hours))).map(tuple),
)
laws = settings(max_examples=100, deadline=None)


@laws
@given(any_evidence)
def test_more_reasons_never_turn_a_yes_into_a_no(found: RetrainingEvidence) -> None:
    more = found.model_copy(update={"alarms": (DRIFT,), "live_error": ("live wMAPE is 30.0%",)})

    assert decide(more, CONFIG).retrain >= decide(found, CONFIG).retrain


@laws
@given(any_evidence, st.integers(1, 2000))
def test_another_retrain_never_turns_a_no_into_a_yes(found: RetrainingEvidence, hours: int) -> None:
    more = found.model_copy(update={"retrains": (*found.retrains, ago(hours=hours))})

    assert decide(more, CONFIG).retrain <= decide(found, CONFIG).retrain


@laws
@given(any_evidence)
def test_a_decision_has_reasons_from_its_checks(found: RetrainingEvidence) -> None:
    decision = decide(found, CONFIG)
    said = {check.reason for check in decision.checks if check.applies}

    assert decision.reasons
    assert set(decision.reasons) <= said or not decision.retrain
