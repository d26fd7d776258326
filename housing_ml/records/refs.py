"""References that travel between stages in place of the data."""

from __future__ import annotations

from typing import TypeAlias

from pydantic import BaseModel, ConfigDict, Field


class ArtifactRef(BaseModel):
    """Some bytes: where they are and what they must be."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str = Field(description="Path below the store's root.")
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    size: int = Field(ge=0, description="Bytes.")


class DatasetRef(ArtifactRef):
    """A table as Parquet; the digest is that of its bytes."""

    rows: int = Field(ge=0)
    columns: tuple[str, ...]


Reference: TypeAlias = ArtifactRef | DatasetRef
