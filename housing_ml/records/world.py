"""Records of the comparison of a source with the world that the champion knows."""

from __future__ import annotations

from pydantic import Field

from housing_ml.records.base import Record


class Shift(Record):
    """One way in which a source is not as expected."""

    columns: tuple[str, ...] = Field(description="Whose values moved; accepting one accepts it.")
    expected: str
    found: str

    def __str__(self) -> str:
        """Say it for a person."""
        return f"{' and '.join(self.columns)}: expected {self.expected}, found {self.found}"


class WorldResult(Record):
    """A source that may be learned from."""

    accepted: tuple[str, ...] = Field(description="Shifts that a person accepted, with the reason.")
