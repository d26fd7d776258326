"""Records of the ingestion."""

from __future__ import annotations

from pydantic import Field

from housing_ml.records.base import Record, Told
from housing_ml.records.gate import Move
from housing_ml.records.refs import DatasetRef


class ViolationCount(Record):
    """How many rows break one rule of one column."""

    column: str
    rule: str
    rows: int


class IngestResult(Record):
    """The raw rows and what is known of them."""

    data: DatasetRef = Field(description="Rows that keep the contract, without repetitions.")
    quarantine: DatasetRef | None = Field(description="Rows that do not, with the reasons.")
    violations: tuple[ViolationCount, ...]
    repeated_rows: int = Field(description="Rows left out because their identity came before.")
    source: str
    source_sha256: str
    synthetic: bool
    dialect: str = Field(default="", description="What is unusual in how a CSV file is written.")

    def __str__(self) -> str:
        """Say it for a person."""
        quarantined = self.quarantine.rows if self.quarantine else 0
        kind = "synthetic rows" if self.synthetic else "rows"
        read = f", read with {self.dialect}" if self.dialect else ""
        return f"{self.data.rows:,} {kind}, {quarantined:,} quarantined{read}"

    def told(self) -> Told:
        """Tell the source, and how many rows it gave."""
        return Told(
            {"source": self.source, "source_sha256": self.source_sha256},
            {
                "rows": self.data.rows,
                "quarantined": self.quarantine.rows if self.quarantine else 0,
                "repeated": self.repeated_rows,
            },
        )


class MergeResult(Record):
    """The raw rows with what was learned from feedback."""

    data: DatasetRef
    base: int = Field(description="Rows of the source that are still there.")
    replaced: int = Field(description="Block groups of the source with newer figures.")
    added: int = Field(description="Block groups that the source did not have.")
    repriced: int = Field(description="Rows whose price was carried along with newer ones.")
    moves: tuple[Move, ...] = Field(default=(), description="Levels of prices that moved.")

    waiting: int = Field(
        default=0, description="Block groups that nobody knows but one sender; left out."
    )
    bounded: int = Field(
        default=0, description="Block groups whose only sender said more than others support."
    )

    @property
    def changed_share(self) -> float:
        """Share of the source's rows that were replaced or re-priced."""
        return (self.replaced + self.repriced) / max(1, self.base + self.replaced)

    def __str__(self) -> str:
        """Say it for a person."""
        counts = {
            "re-priced": self.repriced,
            "waiting for a second sender": self.waiting,
            "moved less than their only sender said": self.bounded,
        }
        learned = f"{self.added:,} new block groups, {self.replaced:,} with newer figures"
        return ", ".join(
            [learned, *(f"{count:,} {what}" for what, count in counts.items() if count)]
        )
