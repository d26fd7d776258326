"""What the features take of raw rows: checked, filled, in logarithms, and comparable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from housing_ml.data.contract import COLUMNS, Matrix, RawData, to_matrix

if TYPE_CHECKING:
    from collections.abc import Iterator

    from housing_ml.features.geography import Floats
    from housing_ml.features.imputation import ImputerState

LOGS = ("total_rooms", "total_bedrooms", "population", "households", "median_income")

TOGETHER = 8192
"""Rows whose features are computed at once: on the way a row takes twenty times its own memory."""

_AGE = COLUMNS.index("housing_median_age")
_LOGS = [COLUMNS.index(name) for name in LOGS]


def training_rows(X: RawData, y: Any) -> tuple[Matrix, Floats]:
    """Return training rows (n, 9) and their prices (n,) in dollars.

    Raises:
        ValueError: when prices are missing, do not match or are not finite, or rows are too few.
    """
    if y is None:
        raise ValueError(
            "HousingFeatures requires y to be passed, but the target y is None: "
            "the neighbour statistics are averages of prices"
        )
    raw = to_matrix(X)
    prices = np.asarray(y, dtype=np.float64)
    if prices.shape != (len(raw),):
        raise ValueError(f"y has shape {prices.shape}, but X has {len(raw)} rows")
    if not np.isfinite(prices).all():
        raise ValueError("y contains NaN or infinity: leave out the rows without a price")
    if len(raw) < 2:
        raise ValueError(f"n_samples = {len(raw)}, but a row without neighbours has no features")
    return raw, prices


def parts(count: int) -> Iterator[slice]:
    """Yield which of so many rows are to be computed at once."""
    return (slice(first, first + TOGETHER) for first in range(0, count, TOGETHER))


def filled_rows(imputer: ImputerState, raw: Matrix) -> Matrix:
    """Return the rows with their missing bedrooms filled.

    Raises:
        ValueError: when a value other than the bedrooms is missing or infinite.
    """
    if np.isfinite(raw).all():
        return raw
    filled = imputer.fill(raw)
    if not np.isfinite(filled).all():
        column = COLUMNS[int(np.flatnonzero(~np.isfinite(filled).all(axis=0))[0])]
        raise ValueError(f"{column} contains NaN or infinity: only total_bedrooms may be missing")
    return filled


def logs_of(filled: Matrix) -> Floats:
    """Return natural logarithms of the columns of `LOGS`, (n, 5)."""
    return np.log(filled.take(_LOGS, axis=1))


def attributes_of(filled: Matrix, logs: Floats) -> Floats:
    """Return what makes neighbours alike, (4, n); the columns of `logs` are those of `LOGS`."""
    rooms, _, population, households, income = logs.T
    attributes = np.empty((4, len(filled)))  # np.stack takes 5 microseconds more
    attributes[0] = income
    attributes[1] = filled[:, _AGE]
    attributes[2] = rooms - households
    attributes[3] = population - households
    return attributes
