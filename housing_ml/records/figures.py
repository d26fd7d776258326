"""Record of what was drawn."""

from __future__ import annotations

from housing_ml.records.base import Record
from housing_ml.records.refs import ArtifactRef


class Figures(Record):
    """PNG figures by name."""

    figures: dict[str, ArtifactRef]

    def __str__(self) -> str:
        """Say it for a person."""
        return f"{len(self.figures)} figures"
