"""What is learnt from the service, and whose word counts."""

from __future__ import annotations

from pydantic import Field

from housing_ml.config.base import Config


class FeedbackConfig(Config):
    """What is learned from the service: rows that it priced and whose actual price has come."""

    days: int = Field(
        default=365,
        ge=0,
        description="Of so many last days; 0 is none. Prices that newer ones contradict are "
        "carried along, those of the source too.",
    )
    far: float = Field(
        default=4.0,
        gt=1,
        description="A price beyond the prediction's interval by more than this factor waits for "
        "`housing feedback review`.",
    )
    per_sender_day: int = Field(
        default=50_000, ge=1, description="Prices of one sender that count in a day."
    )
    trusted: tuple[str, ...] = Field(
        default=(),
        description="Owners of API keys whose prices count without a second sender's.",
    )
