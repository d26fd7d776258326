"""What all records have in common."""

from __future__ import annotations

from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict


class Told(NamedTuple):
    """What a stage tells of itself beside its config: what it chose or read, and its figures."""

    parameters: dict[str, Any]
    metrics: dict[str, float]


class Record(BaseModel):
    """Frozen and strict: an unknown name, infinity or NaN is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
