"""How a model that passed the gate comes into service."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from housing_ml.config.base import Config

PromotionMode = Literal["direct", "canary", "shadow"]


class PromotionConfig(Config):
    """How a model earns its traffic."""

    mode: PromotionMode | None = Field(
        default=None,
        description="direct: it is the champion at once; canary: it answers a share of the "
        "requests, and the services promote or abort it; shadow: it prices everything and answers "
        "nothing, until a person promotes it. Empty: direct for the first model, canary where a "
        "service runs and traffic suffices, else direct.",
    )
    share: float = Field(
        default=0.1, gt=0, lt=1, description="Share of the requests that a canary answers."
    )
    canary_requests: int = Field(
        default=10_000,
        ge=1,
        description="Requests of the last day that suffice for a canary, where no mode is given.",
    )
    guard_hours: float = Field(
        default=6.0,
        ge=0,
        le=168,
        description="How long after any promotion the services take a broken model back by "
        "themselves; 0: never.",
    )
