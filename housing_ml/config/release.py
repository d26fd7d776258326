"""How far the loop may go by itself."""

from __future__ import annotations

from pydantic import Field

from housing_ml.config.base import Config


class Autonomy(Config):
    """What may be promoted without a person; more asks one."""

    max_level_move: float = Field(
        default=0.25,
        ge=0,
        description="Largest move of a level of prices that goes through: 0.25 is a factor of 1.25 "
        "up, or of 1.25 down.",
    )
    min_senders: int = Field(
        default=2, ge=1, description="Independent senders of feedback that must support a move."
    )


class ReleaseConfig(Config):
    """What becomes of a model that passed the gate."""

    autonomy: Autonomy = Field(
        default=Autonomy(), description="How far the loop goes before it asks a person."
    )
