from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from housing_ml.config import GateConfig
from housing_ml.evaluation import Evaluation
from housing_ml.gate import Champion, Check, GateDecision, GateEvidence, decide
from housing_ml.metrics import METRIC_NAMES, Interval, Metrics, PairedDifference

CONFIG = GateConfig()
GOOD = dict.fromkeys(METRIC_NAMES, 0.1) | {"rmse": 38_700.0, "mae": 25_000.0, "r2": 0.887}


def evaluation(coverage: float = 0.9, **metrics: float) -> Evaluation:
    values = Metrics(**(GOOD | metrics))
    intervals = {name: Interval(value, value) for name, value in values}
    return Evaluation(
        rows=4100,
        metrics=values,
        intervals=intervals,
        coverage=coverage,
        mean_width=120_000,
        slices=(),
    )


def champion(low: float = -0.01, high: float = -0.002, **changes: Any) -> Champion:
    difference = PairedDifference(
        candidate=0.112,
        champion=0.118,
        difference=-0.006,
        interval=Interval(low, high),
        confidence=0.95,
        rows=4100,
    )
    values = {"version": "7", "synthetic": False, "same_content": False, "difference": difference}
    return Champion(**(values | changes))


def evidence(**changes: Any) -> GateEvidence:
    values = {
        "evaluation": evaluation(),
        "interval_level": 0.9,
        "skew": 1e-9,
        "golden_replayed": True,
        "synthetic": False,
        "champion": champion(),
    }
    return GateEvidence(**(values | changes))


def check(code: str, **changes: Any) -> Check:
    return next(item for item in decide(evidence(**changes), CONFIG).checks if item.code == code)


def test_a_good_model_that_beats_the_champion_is_promoted() -> None:
    decision = decide(evidence(), CONFIG)

    assert decision.promote
    assert {item.verdict for item in decision.checks} == {"pass"}
    assert "against 11.80% of version 7" in decision.reasons[0]


def test_the_first_model_is_promoted_on_the_limits_alone() -> None:
    decision = decide(evidence(champion=None), CONFIG)

    assert decision.promote
    assert decision.reasons == ("there is no champion yet: the limits alone decide",)
    assert check("G09", champion=None).verdict == "not applicable"


@pytest.mark.parametrize(
    ("code", "changes", "reason"),
    [
        ("G01", {"evaluation": evaluation(rmse=45_001)}, "RMSE is 45,001"),
        ("G02", {"evaluation": evaluation(r2=0.8)}, "R2 is 0.800"),
        ("G03", {"evaluation": evaluation(mape=0.17)}, "MAPE is 17.00%"),
        ("G04", {"evaluation": evaluation(coverage=0.87)}, "87.0%"),
        ("G04", {"evaluation": evaluation(coverage=0.93)}, "93.0%"),
        ("G05", {"golden_replayed": False}, "does not repeat"),
        ("G06", {"skew": 2e-6}, "2.0e-06"),
        ("G07", {"synthetic": True}, "synthetic data, and version 7 saw real"),
        ("G08", {"champion": champion(same_content=True)}, "the model is the champion"),
        ("G09", {"champion": champion(high=0.001)}, "-1.00 to +0.10 points"),
        ("G09", {"champion": champion(difference=None)}, "could not be scored"),
    ],
)
def test_each_rule_alone_stops_a_promotion_and_says_why_and_what_to_do(
    code: str, changes: dict[str, Any], reason: str
) -> None:
    decision = decide(evidence(**changes), CONFIG)
    failed = [item for item in decision.checks if item.verdict == "fail"]

    assert not decision.promote
    assert [item.code for item in failed] == [code]
    assert reason in failed[0].reason
    assert failed[0].fix
    assert decision.reasons == (failed[0].reason,)


@pytest.mark.parametrize("rival", [None, champion(synthetic=True)])
def test_synthetic_data_need_not_keep_the_limits_where_no_real_model_serves(
    rival: Champion | None,
) -> None:
    poor = evaluation(rmse=90_000, r2=0.2, mape=0.5)
    decision = decide(evidence(evaluation=poor, synthetic=True, champion=rival), CONFIG)

    assert decision.promote
    assert [item.verdict for item in decision.checks[:3]] == ["not applicable"] * 3


def test_a_model_of_real_data_replaces_one_of_synthetic_data_when_it_is_better() -> None:
    assert decide(evidence(champion=champion(synthetic=True)), CONFIG).promote
    assert not decide(evidence(champion=champion(synthetic=True, high=0.01)), CONFIG).promote


def test_the_same_content_is_not_compared_with_itself() -> None:
    assert check("G09", champion=champion(same_content=True)).verdict == "not applicable"


def test_the_gain_must_be_useful_and_not_only_sure() -> None:
    rival = champion(low=-0.01, high=-0.001)

    assert decide(evidence(champion=rival), CONFIG).promote
    assert not decide(evidence(champion=rival), GateConfig(minimum_gain=0.01)).promote


def test_no_difference_at_all_is_no_gain() -> None:
    assert not decide(evidence(champion=champion(low=0, high=0)), CONFIG).promote


def test_evidence_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValidationError, match="skew"):
        evidence(skew=float("nan"))


def test_evidence_and_decision_survive_the_round_trip_through_json() -> None:
    seen = evidence(champion=champion(same_content=True))
    decision = decide(seen, CONFIG)

    assert GateEvidence.model_validate_json(seen.model_dump_json()) == seen
    assert GateDecision.model_validate_json(decision.model_dump_json()) == decision


def fractions(low: float = 0, high: float = 1) -> st.SearchStrategy[float]:
    return st.floats(low, high, allow_nan=False)


evaluations = st.builds(
    evaluation,
    coverage=fractions(0.85, 0.95),
    rmse=fractions(30_000, 60_000),
    r2=fractions(0.7),
    mape=fractions(0.05, 0.3),
)
champions = st.builds(
    champion,
    low=st.just(-0.1),
    high=fractions(-0.05, 0.05),
    synthetic=st.booleans(),
    same_content=st.booleans(),
)
evidences = st.builds(
    evidence,
    evaluation=evaluations,
    skew=fractions(0, 3e-6),
    golden_replayed=st.booleans(),
    synthetic=st.booleans(),
    champion=st.none() | champions,
)
laws = settings(max_examples=100, deadline=None)


@laws
@given(evidences)
def test_a_decision_is_the_conjunction_of_its_checks(seen: GateEvidence) -> None:
    decision = decide(seen, CONFIG)

    assert decision.promote == all(item.verdict != "fail" for item in decision.checks)
    assert [item.code for item in decision.checks] == [f"G{n:02}" for n in range(1, 10)]
    assert all(bool(item.fix) == (item.verdict == "fail") for item in decision.checks)


@laws
@given(evidences, fractions())
def test_an_improvement_never_turns_a_pass_into_a_fail(seen: GateEvidence, step: float) -> None:
    before, after = decide(seen, CONFIG), decide(improved(seen, step), CONFIG)

    for old, new in zip(before.checks, after.checks, strict=True):
        assert not (old.verdict == "pass" and new.verdict == "fail")
    assert after.promote >= before.promote


def improved(seen: GateEvidence, step: float) -> GateEvidence:
    """Every value moved towards its best by the fraction `step`."""
    old = seen.evaluation
    better = evaluation(
        coverage=old.coverage + step * (seen.interval_level - old.coverage),
        rmse=old.metrics.rmse * (1 - step),
        r2=old.metrics.r2 + step * (1 - old.metrics.r2),
        mape=old.metrics.mape * (1 - step),
    )
    rival = seen.champion
    if rival and rival.difference:
        low, high = rival.difference.interval
        interval = Interval(low - step, high - step)
        difference = rival.difference.model_copy(update={"interval": interval})
        rival = rival.model_copy(update={"difference": difference})
    return seen.model_copy(
        update={"evaluation": better, "skew": seen.skew * (1 - step), "champion": rival}
    )
