"""How wrong predictions were, with their intervals."""

from __future__ import annotations

from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field


class Interval(NamedTuple):
    """A bootstrap confidence interval, in the unit of its metric."""

    low: float
    high: float


class Metrics(BaseModel):
    """The errors of one set of predictions; shares are fractions, not percent."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    rmse: float = Field(description="Root mean squared error in dollars.")
    mae: float = Field(description="Mean absolute error in dollars.")
    r2: float = Field(description="Share of the variance that is explained; 1 is perfect.")
    mape: float = Field(description="Mean absolute error as a fraction of the actual price.")
    smape: float = Field(description="Symmetric MAPE, from 0 to 2.")
    wmape: float = Field(description="Sum of absolute errors over the sum of the actual prices.")
    median_ape: float = Field(description="Median absolute error as a fraction of the price.")
    within_5: float = Field(description="Fraction of rows at most 5 % off.")
    within_10: float = Field(description="The same for 10 %.")
    within_15: float = Field(description="The same for 15 %.")


class PairedDifference(BaseModel):
    """wMAPE of a candidate less that of a champion on the same rows; below 0 is better."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    candidate: float = Field(ge=0, description="wMAPE of the candidate.")
    champion: float = Field(ge=0, description="wMAPE of the champion.")
    difference: float = Field(description="Candidate less champion.")
    interval: Interval = Field(description="Bootstrap interval of the difference.")
    confidence: float = Field(gt=0, lt=1, description="Level of the interval.")
    rows: int = Field(ge=1, description="Rows that both predicted.")
