"""How fair the prices are to assess by: alike for like houses, and for cheap and dear ones."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from housing_ml.records.metrics import Interval

EVERYWHERE = "all rows"


class Ratios(BaseModel):
    """What the ratios of predicted to actual price say.

    Source: International Association of Assessing Officers, Standard on Ratio Studies, 2013,
    sections 5.3 to 5.6, and table 1-3 for what they may be.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    rows: int = Field(ge=1, description="Rows that they are of.")
    cod: float = Field(
        ge=0,
        description="Coefficient of dispersion: mean distance of the ratios from their median, as "
        "a fraction of it.",
    )
    prd: float = Field(
        gt=0,
        description="Price-related differential: mean ratio over the ratio of the sums; above 1 "
        "the cheap pay for the dear.",
    )
    prb: float = Field(
        description="Price-related bias: relative change of the ratio where the price doubles; "
        "below 0 the cheap pay for the dear."
    )
    intervals: dict[str, Interval] = Field(description="Bootstrap interval of each, by name.")

    @property
    def named(self) -> dict[str, float]:
        """The figures by name."""
        return {name: getattr(self, name) for name in EQUITY_NAMES}


class Equity(Ratios):
    """The ratios within one part of the rows, and those without the odd ones."""

    part: str = Field(description=f"A region, or {EVERYWHERE!r}.")
    trimmed: Ratios | None = Field(
        default=None,
        description="Without ratios that lie more than three interquartile ranges beyond the "
        "quartiles (appendix B); none where none does, or more than a tenth of them do.",
    )


EQUITY_NAMES = ("cod", "prd", "prb")
