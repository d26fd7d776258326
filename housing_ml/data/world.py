"""What a source is like, in few numbers: a later source is held against them before it is split.

world = describe_world(frame)   # of the rows as they came from the source
shifts(world, other)            # in `world_check`: what of another source is not as expected
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from housing_ml.data.contract import CATEGORY, NUMERIC, TARGET, to_matrix
from housing_ml.data.split import identity_hash
from housing_ml.data.world_record import Distribution, World

if TYPE_CHECKING:
    import pandas as pd

Vector: TypeAlias = NDArray[np.float64]

PLACE = ("longitude", "latitude")
NUMBERS = (*NUMERIC, TARGET)
CELL_DEGREES = (0.5, 1.0, 2.0, 4.0)
"""Sides of the squares that rows are counted in."""

_PERCENTS = np.linspace(0, 1, 201)
_SAMPLE = 2_000


def describe_world(frame: pd.DataFrame) -> World:
    """Describe rows of the contract's columns and the target; their order does not matter."""
    return World(
        rows=len(frame),
        columns={name: _distribution(frame[name].to_numpy()) for name in NUMBERS},
        categories={str(name): int(count) for name, count in _counted(frame[CATEGORY]).items()},
        cells=cells(frame),
        correlations=tuple(map(tuple, correlations(frame).tolist())),
        sample=_sample(frame),
    )


def cells(frame: pd.DataFrame) -> dict[str, int]:
    """Return how many rows are in each square, for squares of every size."""
    found: dict[str, int] = {}
    for size in CELL_DEGREES:
        west, south = np.floor(frame[[*PLACE]].to_numpy().T / size) * size
        # as numbers: rows of an array are sorted as bytes, which takes far longer
        corners, counts = np.unique(west + 1j * south, return_counts=True)
        names = (f"{corner.real:g} {corner.imag:g} {size:g}" for corner in corners.tolist())
        found |= dict(zip(names, counts.tolist(), strict=True))
    return found


def correlations(frame: pd.DataFrame) -> Vector:
    """Return Spearman's correlations between `NUMBERS`; 0 where a column is constant."""
    found = frame[[*NUMBERS]].rank().corr().fillna(0.0)
    return found.to_numpy().round(6)


def _counted(values: pd.Series[str]) -> pd.Series[int]:
    return values.value_counts().sort_index()


def _distribution(values: Vector) -> Distribution:
    known = np.sort(values[~np.isnan(values)])
    if not len(known):
        return Distribution((0.0,), (1.0,), 1.0)
    points = np.unique(np.quantile(known, _PERCENTS, method="inverted_cdf"))
    shares = np.searchsorted(known, points, side="right") / len(known)
    missing = 1 - len(known) / len(values)
    return Distribution(tuple(points.tolist()), tuple(shares.tolist()), missing)


def _sample(frame: pd.DataFrame) -> tuple[tuple[float | None, ...], ...]:
    alone = frame[~frame.duplicated([*PLACE], keep=False)]
    rows = alone.iloc[np.argsort(identity_hash(alone, salt="sample"), kind="stable")[:_SAMPLE]]
    numbers = np.column_stack([to_matrix(rows), rows[TARGET].to_numpy()])
    return tuple(
        tuple(None if np.isnan(value) else value for value in row) for row in numbers.tolist()
    )
