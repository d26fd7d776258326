"""How wrong the live predictions were, where the actual prices are known. Pure.

Rows become sums, which add up over batches and days, and every figure has an interval made of the
same sums: nothing is kept per row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from housing_ml.modelling.ratio import Pair, ratio
from housing_ml.monitoring.foreseen import Spreads, foreseen
from housing_ml.monitoring.intervals import Estimate, around, mean, normal_quantile, share
from housing_ml.records.base import Record

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from housing_ml.config.monitoring import PerformanceConfig

Vector: TypeAlias = NDArray[np.float64]
_Added = TypeVar("_Added", "Sums", Spreads)
Kind = Literal["all", "day", "segment", "version"]


class Group(NamedTuple):
    """Rows that are counted together: a window's start, a model version, a category."""

    start: datetime
    version: str
    segment: str


class Sums(NamedTuple):
    """What the figures are made of: a, p are the actual and the predicted price in dollars."""

    rows: float = 0
    share: float = 0
    """Of |p - a| / a; then of its square."""
    share_squared: float = 0
    actual: float = 0
    actual_squared: float = 0
    error: float = 0
    """Of |p - a|; then of its square, and of its product with a."""
    error_squared: float = 0
    error_actual: float = 0
    signed: float = 0
    """Of p - a; then of its product with a."""
    signed_actual: float = 0
    within_10: float = 0
    covered: float = 0

    def plus(self, other: Sums) -> Sums:
        """Return the sums of both sets of rows."""
        return Sums(*(left + right for left, right in zip(self, other, strict=True)))


class Estimates(Record):
    """Each figure with its interval; all are fractions."""

    mape: Estimate
    wmape: Estimate
    within_10: Estimate = Field(description="Of rows at most 10 % off.")
    bias: Estimate = Field(description="Predicted less actual, of the actual prices' sum.")
    coverage: Estimate = Field(description="Of prices inside their interval.")


class LiveError(Record):
    """The error of some live predictions."""

    kind: Kind
    name: str
    rows: int = Field(ge=0, description="Predictions whose actual price is known.")
    estimates: Estimates | None = Field(description="None where there are too few rows.")
    predictions: int = Field(
        default=0, ge=0, description="Of rows that the model was not trained on, priced or not yet."
    )
    foreseen: Estimate | None = Field(
        default=None,
        description="wMAPE that the model itself foresees of these predictions; blind to prices "
        "that move while the inputs do not.",
    )


class Expected(Record):
    """What the model showed on its holdout, as fractions."""

    wmape: float = Field(gt=0)
    coverage: float = Field(ge=0, le=1)


def sums(actual: Vector, price: Vector, lower: Vector, upper: Vector) -> NDArray[np.float64]:
    """Return each row's part of the `Sums`, float64 (rows, 12), of dollars (rows,)."""
    signed = price - actual
    error = np.abs(signed)
    relative = error / actual
    parts = {
        "rows": np.ones(len(actual)),
        "share": relative,
        "share_squared": relative**2,
        "actual": actual,
        "actual_squared": actual**2,
        "error": error,
        "error_squared": error**2,
        "error_actual": error * actual,
        "signed": signed,
        "signed_actual": signed * actual,
        "within_10": relative <= 0.1,
        "covered": (lower <= actual) & (actual <= upper),
    }
    return np.column_stack([parts[name] for name in Sums._fields])


def live_errors(
    groups: Mapping[Group, Sums],
    config: PerformanceConfig,
    expected: Mapping[Group, Spreads] | None = None,
) -> tuple[LiveError, ...]:
    """Return the error over all rows, then by day, segment and model version.

    `expected` has the spreads of all predictions, where they are known.
    """
    found, seen = _by_key(groups, Sums()), _by_key(expected or {}, Spreads())
    order: tuple[Kind, ...] = ("all", "day", "segment", "version")
    z = normal_quantile(config.confidence)
    keys = sorted(found | seen, key=lambda key: order.index(key[0]))
    return tuple(
        _live_error(key, found.get(key, Sums()), seen.get(key, Spreads()), config, z)
        for key in keys
    )


def over_limit(
    live: LiveError | None, expected: Expected, config: PerformanceConfig
) -> tuple[str, ...]:
    """Return why the live error is over its limit; empty when it is not, or rows are too few.

    The whole interval must lie beyond the limit.
    """
    if live is None or live.estimates is None:
        return ()
    return tuple(_faults(live.estimates, wmape_limit(live, expected, config), expected, config))


def wmape_limit(live: LiveError | None, expected: Expected, config: PerformanceConfig) -> float:
    """Return the limit of the live wMAPE.

    It rises with what the model foresees of these rows: harder rows are no fault of the model.
    """
    harder = live.foreseen.value if live and live.foreseen else 0.0
    return config.error_ratio * max(expected.wmape, harder)


def _by_key(groups: Mapping[Group, _Added], empty: _Added) -> dict[tuple[Kind, str], _Added]:
    found: dict[tuple[Kind, str], _Added] = {}
    for group in sorted(groups):
        for key in _keys(group):
            found[key] = found.get(key, empty).plus(groups[group])
    return found


def _live_error(
    key: tuple[Kind, str], known: Sums, seen: Spreads, config: PerformanceConfig, z: float
) -> LiveError:
    kind, name = key
    return LiveError(
        kind=kind,
        name=name,
        rows=round(known.rows),
        estimates=_estimates(known, z) if known.rows >= config.minimum_rows else None,
        predictions=round(seen.rows),
        foreseen=foreseen(seen, known.rows or seen.rows, z),
    )


def _faults(
    found: Estimates, limit: float, expected: Expected, config: PerformanceConfig
) -> Iterator[str]:
    if found.wmape.low > limit:
        yield (
            f"live wMAPE is {found.wmape.value:.1%} ({found.wmape.low:.1%} to "
            f"{found.wmape.high:.1%}), and may be {limit:.1%}"
        )
    least = expected.coverage - config.coverage_drop
    if found.coverage.high < least:
        yield f"intervals hold {found.coverage.value:.1%} of the prices, and need {least:.1%}"


def _keys(group: Group) -> Iterator[tuple[Kind, str]]:
    yield "all", "all"
    yield "day", group.start.isoformat(timespec="minutes")
    yield "segment", group.segment or "unknown"
    yield "version", group.version


def _estimates(total: Sums, z: float) -> Estimates:
    rows = round(total.rows)
    squares = total.actual_squared
    error = Pair(total.error, total.actual, total.error_squared, total.error_actual, squares)
    signed = Pair(total.signed, total.actual, total.error_squared, total.signed_actual, squares)
    return Estimates(
        mape=mean(total.share, total.share_squared, rows, z),
        wmape=around(ratio(error, rows), z),
        within_10=share(total.within_10, rows, z),
        bias=around(ratio(signed, rows), z),
        coverage=share(total.covered, rows, z),
    )
