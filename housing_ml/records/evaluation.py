"""Record of the evaluation."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

from pydantic import BaseModel, ConfigDict, Field

from housing_ml.records.base import Record, Told
from housing_ml.records.equity import EVERYWHERE, Equity, Ratios
from housing_ml.records.metrics import Interval, Metrics
from housing_ml.records.refs import DatasetRef

SliceKind = Literal["ocean proximity", "price", "income", "region"]


SLICE_KINDS: tuple[SliceKind, ...] = get_args(SliceKind)


class Slice(BaseModel):
    """The errors within one part of the rows."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    kind: SliceKind = Field(description="What the rows are divided by.")
    name: str = Field(description="Which part: a category, or a band in dollars.")
    rows: int = Field(ge=1, description="Rows in it.")
    metrics: Metrics
    wmape_interval: Interval = Field(description="Bootstrap interval of the wMAPE.")
    bias: float = Field(description="Mean of predicted less actual price in dollars.")
    coverage: float = Field(ge=0, le=1, description="Share of prices inside their interval.")


class Reach(BaseModel):
    """The error at some distance from the nearest training row."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    name: str = Field(description="Which distances, in kilometres.")
    rows: int = Field(ge=1, description="Rows at them.")
    wmape: float
    interval: Interval = Field(description="Bootstrap interval of it.")
    coverage: float = Field(ge=0, le=1, description="Share of prices inside their interval.")


class PlaceSide(Record):
    """Errors on one side."""

    rows: int
    metrics: Metrics | None = Field(description="None for fewer than two rows.")


class PlaceFigures(Record):
    """Errors at places that have others in training, and at places that have none."""

    known: PlaceSide
    new: PlaceSide


class Evaluation(BaseModel):
    """The model's errors on the holdout, and how well its prediction intervals hold."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    rows: int = Field(ge=1, description="Rows of the holdout.")
    metrics: Metrics
    intervals: dict[str, Interval] = Field(description="Bootstrap interval of each metric.")
    below_cap: Metrics | None = Field(
        default=None,
        description="Without the rows at the highest price, which stands for all above it; none "
        "where fewer than ten rows share it.",
    )
    coverage: float = Field(ge=0, le=1, description="Share of prices inside their interval.")
    mean_width: float = Field(ge=0, description="Mean width of the intervals in dollars.")
    slices: tuple[Slice, ...]
    equity: tuple[Equity, ...] = Field(
        default=(), description="How fair the prices are: on all rows, then by region."
    )

    reach: tuple[Reach, ...] = Field(
        default=(), description="By distance to the nearest training row, the near ones first."
    )

    @property
    def overall_equity(self) -> Equity | None:
        """How fair the prices are on all rows; None where nobody looked."""
        return next((item for item in self.equity if item.part == EVERYWHERE), None)


class Importance(NamedTuple):
    """How much wMAPE rises, in mean and standard deviation, when an input is shuffled."""

    name: str
    increase: float
    std: float


class EvaluationResult(Record):
    """The model on the holdout, seen once."""

    evaluation: Evaluation
    skew: float = Field(
        ge=0, description="Largest relative difference between bundle and pipeline, all rows."
    )
    importances: tuple[Importance, ...] = Field(description="Of each input, the largest first.")
    places: PlaceFigures
    predictions: DatasetRef = Field(description="Identity hash, actual and predicted price by row.")

    def __str__(self) -> str:
        """Say it for a person."""
        found = self.evaluation.metrics
        return f"RMSE {found.rmse:,.0f} $, R2 {found.r2:.4f}, MAPE {found.mape:.2%}"

    def told(self) -> Told:
        """Tell the figures on the holdout, with the ends of their intervals."""
        found = self.evaluation
        ends = {
            f"{name}_{end}": value
            for name, interval in found.intervals.items()
            for end, value in interval._asdict().items()
        }
        return Told(
            {},
            {
                **found.metrics.model_dump(),
                **ends,
                **_equity_figures(found),
                **_below_cap(found),
                "coverage": found.coverage,
                "mean_width": found.mean_width,
                "skew": self.skew,
            },
        )


def _below_cap(found: Evaluation) -> dict[str, float]:
    """Return the figures without the rows at the cap, by names for MLflow."""
    known = found.below_cap.model_dump() if found.below_cap else {}
    return {f"{name}_below_cap": value for name, value in known.items()}


def _equity_figures(found: Evaluation) -> dict[str, float]:
    """Return the figures by region, with the ends of their intervals, by names for MLflow."""
    figures: dict[str, float] = {}
    for item in found.equity:
        place = "" if item.part == EVERYWHERE else f"_{item.part.replace(' ', '_')}"
        kinds: tuple[tuple[str, Ratios | None], ...] = (("", item), ("_trimmed", item.trimmed))
        for kind, ratios in kinds:
            if ratios is None:
                continue
            for name, value in ratios.named.items():
                low, high = ratios.intervals[name]
                title = f"{name}{kind}{place}"
                figures |= {title: value, f"{title}_low": low, f"{title}_high": high}
    return figures
