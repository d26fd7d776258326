"""The gate's limits."""

from __future__ import annotations

from pydantic import Field

from housing_ml.config.base import Config


class GateConfig(Config):
    """The limits that a model must keep to be promoted."""

    max_rmse: float = Field(default=45_000, gt=0, description="Holdout RMSE in dollars.")
    min_r2: float = Field(default=0.84, le=1, description="Holdout R2.")
    max_mape: float = Field(default=0.16, gt=0, description="Holdout MAPE as a fraction.")
    coverage_tolerance: float = Field(
        default=0.015,
        gt=0,
        lt=1,
        description="Distance of the coverage from its level, beside what chance allows.",
    )
    confidence: float = Field(
        default=0.95,
        gt=0.5,
        lt=1,
        description="Level of the paired bootstrap against the champion.",
    )
    bootstrap_samples: int = Field(default=2000, ge=100, description="Bootstrap samples.")
    minimum_gain: float = Field(
        default=0.0, ge=0, description="Smallest useful relative gain in wMAPE over the champion."
    )
    minimum_holdout_rows: int = Field(
        default=100, ge=2, description="With fewer rows held out nothing is promoted."
    )
    minimum_compared_rows: int = Field(
        default=100,
        ge=2,
        description="With fewer rows that are new to the champion too, or whose prices nobody "
        "disputes, a person decides.",
    )
    max_champion_decline: float = Field(
        default=3.0,
        gt=1,
        description="A champion whose wMAPE on the new holdout is more than so many times the one "
        "that it was promoted with is absurd: a person decides.",
    )
    max_replaced_share: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Share of the source's rows that feedback may replace or re-price "
        "without a person.",
    )
    minimum_slice_rows: int = Field(
        default=100, ge=2, description="Slices of the holdout with fewer rows are not judged."
    )
    max_slice_wmape: float = Field(default=0.3, gt=0, description="wMAPE of any slice.")
    max_slice_loss: float = Field(
        default=0.05, ge=0, description="Relative rise of a slice's wMAPE over the champion's."
    )
    slice_coverage_tolerance: float = Field(
        default=0.05, gt=0, lt=1, description="How far a slice's coverage may lie below its level."
    )
    max_cod: float = Field(
        default=0.2,
        gt=0,
        description="Coefficient of dispersion, everywhere and in any region: the most that the "
        "IAAO's standard allows for houses of mixed age.",
    )
    min_prd: float = Field(default=0.98, gt=0, description="Price-related differential.")
    max_prd: float = Field(
        default=1.05,
        gt=0,
        description="The same; the standard's 1.03 counts the noise of single prices as bias.",
    )
    max_prb: float = Field(
        default=0.1,
        gt=0,
        description="Distance of the price-related bias from 0, beyond which the standard calls "
        "it unacceptable.",
    )
    minimum_equity_rows: int = Field(
        default=50,
        ge=1,
        description="Rows of a region below which its COD, PRD and PRB are shown and not judged. "
        "They are judged without odd ratios, which would make them among so few.",
    )
    traffic_days: int = Field(
        default=7, ge=1, le=366, description="Days of the prediction log that a model must price."
    )
    traffic_rows: int = Field(
        default=100_000, ge=1, le=100_000, description="Most of its rows; of more, a sample."
    )
    max_traffic_moved: float = Field(
        default=0.3,
        gt=0,
        le=1,
        description="Share of the logged rows whose price may move by more than a tenth, beyond "
        "what new prices explain, without a person.",
    )
    max_traffic_part_moved: float = Field(
        default=0.5, gt=0, le=1, description="The same of any part of them."
    )
    max_traffic_warned: float = Field(
        default=0.02,
        ge=0,
        lt=1,
        description="Share of the logged rows that may come with a new warning without a person.",
    )
    min_income_effect: float = Field(
        default=0.0, description="Mean relative change of price when every income rises."
    )
    max_map_step: float = Field(
        default=0.05, gt=0, description="Mean relative change of price over 100 m on the map."
    )
    max_missing_bedrooms: float = Field(
        default=0.1, gt=0, description="Mean relative change of price without bedrooms."
    )
    max_microseconds: float = Field(
        default=2_000, gt=0, description="Time of one prediction, without the request around it."
    )
    max_bundle_megabytes: float = Field(default=100, gt=0, description="Size of the bundle.")
    require_committed_code: bool = Field(
        default=False, description="Reject what uncommitted code or unlocked packages trained."
    )
