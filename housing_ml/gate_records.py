"""What the gate looks at and what it answers: frozen records, and the shape of a rule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from pydantic import Field

from housing_ml.behaviour import Behaviour
from housing_ml.evaluation import Evaluation
from housing_ml.metrics import Metrics, PairedDifference
from housing_ml.records.base import Record
from housing_ml.serving_cost import ServingCost
from housing_ml.slice_comparison import SliceEvidence

if TYPE_CHECKING:
    from collections.abc import Callable

    from housing_ml.config import GateConfig

Verdict = Literal["pass", "fail", "not applicable"]


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


class CodeState(Record):
    """What ran: the commit, and how it differs from what is committed and locked."""

    commit: str = Field(description='Hash of the commit; "unknown" outside a checkout.')
    uncommitted: bool = Field(description="Whether the checkout has changes beside the commit.")
    unlocked: tuple[str, ...] | None = Field(
        description="Packages of another version than locked; none where there is no lock file."
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
    withdrawn: str | None = Field(
        description="Why this very bundle was taken out of service; none where it was not."
    )
    code: CodeState | None = Field(description="What ran; none where nobody asked for it.")


class Check(Record):
    """One rule's verdict; `code` never changes its meaning."""

    code: str
    title: str
    value: float | None = Field(description="What was found, where it is a number.")
    limit: float | None = Field(description="What it is held against.")
    verdict: Verdict
    reason: str = Field(description="The verdict in a sentence.")
    fix: str = Field(description="What to do about a failure; empty otherwise.")


class GateDecision(Record):
    """Whether to promote, with the checks and the reasons that decided."""

    promote: bool
    checks: tuple[Check, ...]
    reasons: tuple[str, ...] = Field(
        description="Why not: the failures; or why: how the candidate stands to the champion."
    )

    def __str__(self) -> str:
        """Say it for a person."""
        return f"{'passed' if self.promote else 'rejected'}: {'; '.join(self.reasons)}"


class Finding(NamedTuple):
    """What a rule found: whether the candidate passed, None where the rule does not apply."""

    passed: bool | None
    reason: str
    value: float | None = None
    limit: float | None = None


class Rule(NamedTuple):
    """A check before it is made."""

    code: str
    title: str
    fix: str
    judge: Callable[[GateEvidence, GateConfig], Finding]

    def check(self, evidence: GateEvidence, config: GateConfig) -> Check:
        """Judge the evidence."""
        found = self.judge(evidence, config)
        verdicts: dict[bool | None, Verdict] = {True: "pass", False: "fail", None: "not applicable"}
        return Check(
            code=self.code,
            title=self.title,
            value=found.value,
            limit=found.limit,
            verdict=verdicts[found.passed],
            reason=found.reason,
            fix=self.fix if found.passed is False else "",
        )
