"""What a verdict rests on: enough rows, a world nobody disputes, and how far the loop may go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy.stats import binom

from housing_ml.config.data import SplitConfig
from housing_ml.config.release import Autonomy
from housing_ml.data.contract import COLUMNS, TARGET
from housing_ml.data.split import identity_hash, split
from housing_ml.gate.decision import decide
from housing_ml.gate.own_world import undisputed
from housing_ml.gate.records import OwnWorld
from housing_ml.records.gate import Move
from tests.housing_ml.gate.test_decision import CONFIG, champion, check, evaluation, evidence

if TYPE_CHECKING:
    import pandas as pd


def of_rows(rows: int, coverage: float = 0.9) -> Any:
    return evaluation(coverage).model_copy(update={"rows": rows})


def judged(**changes: Any) -> tuple[list[str], list[str]]:
    """The codes of the checks that fail and of those that ask."""
    checks = decide(evidence(**changes), CONFIG).checks
    return [[item.code for item in checks if item.verdict == v] for v in ("fail", "ask")]  # type: ignore[return-value]


@pytest.mark.parametrize("rows", [100, 500, 4_000])
def test_a_model_of_perfect_coverage_passes_but_by_the_chance_that_was_chosen(rows: int) -> None:
    covered = np.arange(rows + 1)
    passes = [
        check("G04", evaluation=of_rows(rows, count / rows)).verdict == "pass" for count in covered
    ]

    assert binom.pmf(covered, rows, 0.9)[passes].sum() > 0.95


def test_a_limit_that_the_champion_breaks_by_more_is_a_question_and_not_waived() -> None:
    absurd = champion().model_copy(
        update={"metrics": evaluation(rmse=390_000, r2=-9.0, mape=9.0).metrics}
    )
    worse = evaluation(rmse=60_000, r2=0.5, mape=0.3)

    decision = decide(evidence(evaluation=worse, champion=absurd), CONFIG)

    assert not decision.promote
    assert decision.ask
    assert [c.code for c in decision.checks if c.verdict == "ask"] == ["G01", "G02", "G03"]
    assert str(decision).startswith("a person decides: RMSE is 60,000 $")


def test_few_rows_are_no_verdict() -> None:
    assert judged(evaluation=of_rows(99, 0.9)) == [["G21"], []]
    few = champion()
    assert few.difference is not None
    few = few.model_copy(update={"difference": few.difference.model_copy(update={"rows": 60})})
    assert judged(champion=few) == [[], ["G21"]]


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ({"rows": 2_000, "candidate": 0.12, "champion": 0.12, "interval_low": -0.01}, ([], [])),
        ({"rows": 2_000, "candidate": 0.26, "champion": 0.12, "interval_low": 0.12}, (["G22"], [])),
        ({"rows": 7}, ([], ["G22"])),
    ],
    ids=["as good", "worse", "all disputed"],
)
def test_the_champions_own_world_must_not_get_worse(
    own: dict[str, Any], expected: tuple[list[str], list[str]]
) -> None:
    known = champion().model_copy(update={"own_world": OwnWorld(**own)})

    assert judged(champion=known) == list(expected)


def test_an_absurd_champion_is_a_case_for_a_person() -> None:
    known = champion().model_copy(update={"published_wmape": 0.013})

    assert judged(champion=known) == [[], ["G23"]]
    assert "9.1 times" in check("G23", champion=known).reason


def test_a_source_that_feedback_replaces_is_a_case_for_a_person() -> None:
    assert judged(replaced_share=0.6) == [[], ["G24"]]
    assert judged(replaced_share=0.1) == [[], []]


@pytest.mark.parametrize(
    ("change", "senders", "asks"),
    [(1.2, 2, False), (1.26, 2, True), (1.2, 1, True), (0.81, 3, False), (0.1, 9, True)],
)
def test_the_policy_says_how_far_the_loop_goes_by_itself(
    change: float, senders: int, *, asks: bool
) -> None:
    moves = (Move(name="INLAND", change=change, pairs=400, senders=senders),)

    assert judged(moves=moves) == [[], ["G25"] if asks else []]
    allowed = Autonomy(max_level_move=10, min_senders=1)
    assert judged(moves=moves, autonomy=allowed) == [[], []]


def test_a_failure_is_a_rejection_whatever_is_asked() -> None:
    decision = decide(evidence(evaluation=of_rows(99), replaced_share=0.9), CONFIG)

    assert not decision.ask
    assert "99 rows are held out" in decision.reasons[0]


def test_only_rows_that_the_candidate_did_not_see_and_nobody_re_priced_are_undisputed(
    housing_frame: pd.DataFrame,
) -> None:
    rows = housing_frame.head(3_000)
    _, old, _ = split(rows, SplitConfig())
    own = old[[*COLUMNS]].assign(identity=identity_hash(old, ""), actual=old[TARGET], predicted=1.0)
    other = SplitConfig(holdout_share=0.3, salt="other")
    _, today, _ = split(rows, other)
    dear = today["median_income"] > 4
    today = today.assign(**{TARGET: today[TARGET].where(~dear, 1.2 * today[TARGET])})

    same = undisputed(own, old, SplitConfig())
    found = undisputed(own, today, other)

    assert len(same) == len(own)
    assert 0 < len(found) < 0.3 * len(own)
    assert (found["median_income"] <= 4).all()
    assert set(found["identity"]) <= set(identity_hash(today, ""))
