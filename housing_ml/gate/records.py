"""What the gate looks at and what it answers: frozen records, and the shape of a rule."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pydantic import Field

from housing_ml.config.release import Autonomy
from housing_ml.gate.behaviour import Behaviour
from housing_ml.gate.serving_cost import ServingCost
from housing_ml.gate.slices import SliceEvidence
from housing_ml.records.base import Record
from housing_ml.records.evaluation import Evaluation
from housing_ml.records.gate import Check, CodeState, Move, Traffic, Verdict
from housing_ml.records.metrics import Metrics, PairedDifference

if TYPE_CHECKING:
    from collections.abc import Callable

    from housing_ml.config.gate import GateConfig


class OwnWorld(Record):
    """Candidate and champion on the champion's own holdout, where the prices are undisputed."""

    rows: int = Field(ge=0)
    candidate: float = Field(default=0.0, description="wMAPE of the candidate.")
    champion: float = Field(default=0.0, description="wMAPE of the champion.")
    interval_low: float = Field(
        default=0.0, description="Lower end of the bootstrap interval of the difference."
    )


class Champion(Record):
    """The model in service, judged anew on the candidate's holdout."""

    version: str = Field(description="Its version in the registry.")
    synthetic: bool = Field(description="Whether it was trained on synthetic data.")
    same_content: bool = Field(description="Whether the candidate's bundle has its digest.")
    difference: PairedDifference | None = Field(
        description="Candidate against champion on the holdout; none where it could not be scored."
    )
    metrics: Metrics | None = Field(
        default=None, description="Its own on the holdout; none where rows could not be scored."
    )
    own_world: OwnWorld | None = Field(
        default=None, description="Both on its own holdout; none where it published no rows."
    )
    published_wmape: float | None = Field(
        default=None, description="Its own on the holdout that it was promoted with."
    )


class GateEvidence(Record):
    """All that the decision rests on."""

    evaluation: Evaluation = Field(description="The candidate on its holdout.")
    slices: tuple[SliceEvidence, ...] = Field(description="Its errors by part of the holdout.")
    interval_level: float = Field(gt=0, lt=1, description="Coverage that its intervals aim at.")
    skew: float = Field(
        ge=0, description="Largest relative difference between its bundle and its pipeline."
    )
    golden_replayed: bool = Field(
        description="Whether the saved bundle was loaded and repeated its golden rows exactly."
    )
    behaviour: Behaviour | None = Field(description="None where the bundle cannot be loaded.")
    cost: ServingCost | None = Field(description="The same.")
    synthetic: bool = Field(description="Whether it was trained on synthetic data.")
    champion: Champion | None = Field(description="The model to beat; none for the first model.")
    replaced_share: float = Field(default=0.0, description="Of the source's rows, by feedback.")
    moves: tuple[Move, ...] = Field(default=(), description="Levels of prices that moved.")
    autonomy: Autonomy = Field(
        default=Autonomy(), description="How far the loop goes without a person."
    )
    withdrawn: str | None = Field(
        description="Why this very bundle was taken out of service; none where it was not."
    )
    code: CodeState | None = Field(description="What ran; none where nobody asked for it.")
    traffic: Traffic | None = Field(
        default=None, description="What it makes of the latest traffic; none where none is logged."
    )


class Finding(NamedTuple):
    """What a rule found: whether the candidate passed, None where the rule does not apply."""

    passed: bool | None
    reason: str
    value: float | None = None
    limit: float | None = None
    asks: bool = False
    """Whether a person is asked about what did not pass."""


class Rule(NamedTuple):
    """A check before it is made."""

    code: str
    title: str
    fix: str
    judge: Callable[[GateEvidence, GateConfig], Finding]

    def check(self, evidence: GateEvidence, config: GateConfig) -> Check:
        """Judge the evidence."""
        found = self.judge(evidence, config)
        failure: Verdict = "ask" if found.asks else "fail"
        verdicts: dict[bool | None, Verdict] = {
            True: "pass",
            False: failure,
            None: "not applicable",
        }
        return Check(
            code=self.code,
            title=self.title,
            value=found.value,
            limit=found.limit,
            verdict=verdicts[found.passed],
            reason=found.reason,
            fix=self.fix if found.passed is False else "",
        )


def at_most(value: float, limit: float, reason: str) -> Finding:
    """Return the finding of a value that may be `limit` and no more."""
    return Finding(value <= limit, reason, value, limit)


def at_least(value: float, limit: float, reason: str) -> Finding:
    """Return the finding of a value that must be `limit` or more."""
    return Finding(value >= limit, reason, value, limit)
