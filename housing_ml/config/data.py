"""Where the rows come from, and which are held out."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from housing_ml.config.base import Config
from housing_ml.config.choices import ColumnName


class DataConfig(Config):
    """Where the raw data come from and how much of them may break the contract."""

    url: str | None = Field(
        default=None,
        description="https://, gs://, file:// or a path to a .tgz, .csv or .parquet. "
        "Empty: HOUSING_DATA_URL, or else the public California housing data.",
    )
    sha256: str | None = Field(
        default=None,
        pattern="^[0-9a-f]{64}$",
        description="Expected SHA-256 of the source file. Empty: checked for the public data only.",
    )
    max_quarantined_share: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="Stop when a larger share of the rows breaks the contract.",
    )
    accept_shift: dict[ColumnName, Annotated[str, Field(min_length=1)]] = Field(
        default_factory=dict,
        description="Columns in which the source may differ from the champion's, each with the "
        "reason, for the history. Any other difference stops the run before training.",
    )
    synthetic: bool = Field(
        default=False,
        description="Generate a synthetic sample instead of reading a source. Never promoted over "
        "a model of real data.",
    )


class SplitConfig(Config):
    """Which places are held out: by a hash of longitude and latitude, stable as data grow."""

    holdout_share: float = Field(
        default=0.2, gt=0, lt=1, description="Share of places held out, with all of their rows."
    )
    salt: str = Field(default="housing", description="Another salt gives another split.")
