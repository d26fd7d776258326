"""Records of the gate: what it has to know, its checks, and its decision."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from housing_ml.records.base import Record

Verdict = Literal["pass", "fail", "ask", "not applicable"]


class CodeState(Record):
    """What ran: the commit, and how it differs from what is committed and locked."""

    commit: str = Field(description='Hash of the commit; "unknown" outside a checkout.')
    uncommitted: bool = Field(description="Whether the checkout has changes beside the commit.")
    unlocked: tuple[str, ...] | None = Field(
        description="Packages of another version than locked; none where there is no lock file."
    )


class Check(Record):
    """One rule's verdict; `code` never changes its meaning."""

    code: str
    title: str
    value: float | None = Field(
        description="What is held against the limit, where it is a number: of some rules a "
        "distance, or an end of an interval, and not the metric in the title."
    )
    limit: float | None = Field(description="What it is held against.")
    verdict: Verdict
    reason: str = Field(description="The verdict in a sentence.")
    fix: str = Field(description="What to do about a failure; empty otherwise.")


class TrafficPart(Record):
    """How much a candidate moves the prices of a part of the logged rows."""

    name: str = Field(description="Which part, such as `region fresno`.")
    rows: int = Field(ge=1)
    moved: float = Field(ge=0, le=1, description="Share whose price moves by more than a tenth.")


class MovedRow(Record):
    """A logged row whose price moves far."""

    row: dict[str, float | str | None] = Field(description="What was asked, by column.")
    champion: float = Field(description="The champion's price in dollars.")
    candidate: float = Field(description="The candidate's.")
    warnings: tuple[str, ...] = Field(description="What the candidate warns of.")


class Traffic(Record):
    """What a candidate makes of the rows that were priced lately."""

    rows: int = Field(ge=1, description="Logged rows that it priced: all, or a sample.")
    compared: int = Field(ge=0, description="Those that the champion prices too.")
    not_finite: int = Field(ge=0, description="Those without a finite price.")
    newly_warned: float | None = Field(
        description="Share that it warns of and the champion does not; none: that is not known."
    )
    moved: float | None = Field(
        description="Share whose price moves by more than a tenth, beyond what prices that came "
        "explain; none without a champion."
    )
    shift: float | None = Field(
        description="Mean natural logarithm of candidate's over champion's price; none without one."
    )
    apart: float | None = Field(
        default=None, description="Mean distance of that logarithm from its mean; none without one."
    )
    parts: tuple[TrafficPart, ...] = Field(description="The same by part.")
    most_moved: tuple[MovedRow, ...] = Field(description="The rows that move most.")


class GateDecision(Record):
    """Whether to promote, with the checks and the reasons that decided."""

    promote: bool
    ask: bool = Field(default=False, description="Whether a person is to decide.")
    checks: tuple[Check, ...]
    reasons: tuple[str, ...] = Field(
        description="Why not: the failures, or what a person is asked; or why: how the candidate "
        "stands to the champion."
    )
    traffic: Traffic | None = Field(
        default=None, description="What it makes of the latest traffic; none where none is logged."
    )

    def __str__(self) -> str:
        """Say it for a person."""
        verdict = "passed" if self.promote else "a person decides" if self.ask else "rejected"
        return f"{verdict}: {'; '.join(self.reasons)}"


class Baseline(Record):
    """The model to beat."""

    version: str
    bundle: str = Field(description="Digest of its published bundle.")
    synthetic: bool


class Move(Record):
    """A level of prices that newer ones say has moved."""

    name: str = Field(description="Which part: a category or a region.")
    change: float = Field(gt=0, description="Factor of the prices there.")
    pairs: int = Field(ge=0, description="Block groups whose old and new price say so.")
    senders: int = Field(ge=0, description="Independent senders of feedback that say so.")

    @property
    def size(self) -> float:
        """How far the level moved: 0.25 is a factor of 1.25, or of 1 / 1.25."""
        return max(self.change, 1 / self.change) - 1

    def __str__(self) -> str:
        """Say it for a person."""
        return (
            f"prices of {self.name} moved by a factor of {self.change:.3g}, by {self.pairs:,} "
            f"prices of {self.senders} sender{'' if self.senders == 1 else 's'}"
        )


class Circumstances(Record):
    """What the gate has to know beside the model itself."""

    baseline: Baseline | None = Field(description="None for the first model.")
    withdrawn: str | None = Field(description="Why this very bundle was rolled back, if it was.")
    replaced_share: float = Field(
        default=0.0, description="Of the source's rows, that feedback replaced or left out."
    )
    moves: tuple[Move, ...] = Field(default=(), description="Levels of prices that moved.")
    code: CodeState | None = Field(description="What ran, where the config asks for it.")
