"""What `housing retention` found, or did."""

from __future__ import annotations

from pydantic import AwareDatetime, Field

from housing_ml.records.base import Record


class RetentionPart(Record):
    """One kind of thing that nobody needs any more."""

    name: str
    items: int = Field(ge=0)
    size: int | None = Field(description="Bytes; none where only a server knows.")
    names: tuple[str, ...] = Field(description="The first ones, for people.")
    problem: str | None = Field(default=None, description="Why it could not be looked at.")


class RetentionReport(Record):
    """What nobody needs any more, and whether it is gone."""

    at: AwareDatetime
    deleted: bool
    parts: tuple[RetentionPart, ...]

    def __str__(self) -> str:
        """Say it for a person."""
        items = sum(part.items for part in self.parts)
        size = sum(part.size or 0 for part in self.parts)
        done = "deleted" if self.deleted else "may go"
        return f"{items:,} things of {size / 1e6:,.1f} MB {done}"
