"""What training saw, as counts in fixed bins: what the monitor holds the live rows against.

The bins are cut once, at the percentiles of the training rows, and travel with the model. Rows of
any number are then a few counts per column, which add up over batches, files and windows.

    reference = describe(raw, out_of_fold_price, actual)     # in training
    seen = add(tally(reference, columns(raw, price)), seen)  # in the monitor, batch by batch
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from housing_ml.bundle.joint import Joint, describe_jointly
from housing_ml.data.contract import CATEGORIES, CATEGORY, NUMERIC, TARGET, Matrix
from housing_ml.data.world_record import HeldOut, World

if TYPE_CHECKING:
    from collections.abc import Mapping

Vector: TypeAlias = NDArray[np.float64]
Counts: TypeAlias = NDArray[np.int64]
"""A column's counts: of its bins, then missing, below and above the training range.

The last two are counted in the outermost bins too. For the category: of each one, then unknown.
"""
Tally: TypeAlias = dict[str, Counts]
"""Counts by column."""

REFERENCE = "reference.json"
PRICE = "predicted_price"
RATIO = "actual_over_predicted"
LABELLED = (TARGET, RATIO)
"""Columns that need the actual price: the label itself, and what the model made of the row."""

_PERCENTS = np.arange(1, 100) / 100
_EXTRA = 3


class Grid(msgspec.Struct, frozen=True):
    """How a column is cut: ascending inner edges; bin i holds edges[i - 1] < value <= edges[i].

    `spread` is the standard deviation of the training values between the outermost edges.
    """

    edges: tuple[float, ...]
    minimum: float
    maximum: float
    spread: float


class Reference(msgspec.Struct, frozen=True):
    """The training rows: a grid for each numeric column, and the counts of every column."""

    grids: dict[str, Grid]
    counts: dict[str, tuple[int, ...]]
    source: World | None = None
    """The source before feedback and split; a later one is held against it."""

    held_out: HeldOut | None = None
    """Which rows the model never saw."""
    joint: Joint | None = None
    """How the columns go together; none in a bundle of older code."""

    def watch(self, raw: Matrix, price: Vector) -> dict[str, Vector]:
        """Return what is watched of rows (rows, 9) with their prices (rows,), by name."""
        return columns(raw, price) | (self.joint.relations(raw) if self.joint else {})

    def to_json(self) -> bytes:
        """Return the canonical bytes: the same rows give the same."""
        return msgspec.json.encode(self, order="deterministic")

    def tally(self) -> Tally:
        """Return the counts of the training rows."""
        return {name: np.array(counts, dtype=np.int64) for name, counts in self.counts.items()}


def read_reference(content: bytes) -> Reference:
    """Decode what `to_json` wrote.

    Raises:
        msgspec.MsgspecError: when it is something else.
    """
    return msgspec.json.decode(content, type=Reference)


def columns(raw: Matrix, price: Vector, actual: Vector | None = None) -> dict[str, Vector]:
    """Return what is watched of rows (rows, 9), by name; prices (rows,) in dollars."""
    found = dict(zip((*NUMERIC, CATEGORY), raw.T, strict=True)) | {PRICE: price}
    return found if actual is None else found | labelled(price, actual)


def labelled(price: Vector, actual: Vector) -> dict[str, Vector]:
    """Return what is watched where the actual prices are known, all (rows,)."""
    return dict(zip(LABELLED, (actual, actual / price), strict=True))


def describe(
    raw: Matrix, price: Vector, actual: Vector, priced: NDArray[np.intp] | None = None
) -> Reference:
    """Describe training rows (rows, 9) with their actual prices (rows,) in dollars.

    `price` is to come from models that did not see the row (out of fold), as live predictions do.
    Where not all rows have one, `priced` are the numbers of those that it is of.
    """
    cents = price.round(2)  # threads that add up trees in another order must not show
    joint = describe_jointly(raw)
    asked = labelled(cents, actual if priced is None else actual[priced]) | {TARGET: actual}
    watched = columns(raw, cents) | asked | (joint.relations(raw) if joint else {})
    grids = {name: _grid(values) for name, values in watched.items() if name != CATEGORY}
    empty = Reference(grids, {})
    counts = {name: tuple(found.tolist()) for name, found in tally(empty, watched).items()}
    return Reference(grids, counts, joint=joint)


def tally(reference: Reference, watched: Mapping[str, Vector]) -> Tally:
    """Count values by column; every column of `watched` must be one of the reference."""
    return {
        name: _categories(values) if name == CATEGORY else _count(reference.grids[name], values)
        for name, values in watched.items()
    }


def add(left: Tally, right: Tally) -> Tally:
    """Return the tally of both sets of rows; a column may be in one of them only."""
    both = left.keys() & right.keys()
    return {**left, **right} | {name: left[name] + right[name] for name in sorted(both)}


def rows_of(counts: Counts, *, category: bool) -> int:
    """Return how many rows the counts of a column are of."""
    return int(counts.sum() if category else counts[:-2].sum())


def bins_of(counts: Counts) -> tuple[Counts, int, int]:
    """Return a numeric column's bins, and how many values are missing and outside the range."""
    return counts[:-_EXTRA], int(counts[-3]), int(counts[-2:].sum())


def _grid(values: Vector) -> Grid:
    known = values[~np.isnan(values)]
    lowest, highest = float(known.min()), float(known.max())
    cuts = np.unique(np.quantile(known, _PERCENTS, method="inverted_cdf"))
    edges = cuts[cuts < highest] if cuts[0] < highest else np.array([lowest])
    spread = float(np.clip(known, edges[0], edges[-1]).std())
    return Grid(tuple(edges.tolist()), lowest, highest, spread)


def _count(grid: Grid, values: Vector) -> Counts:
    ordered = np.sort(values)  # a few edges in sorted values: half the time of values in edges
    known = int(np.searchsorted(ordered, np.nan))  # NaN sorts last
    cuts = np.searchsorted(ordered[:known], grid.edges, side="right")
    below = np.searchsorted(ordered[:known], grid.minimum, side="left")
    above = known - np.searchsorted(ordered[:known], grid.maximum, side="right")
    bins = np.diff(cuts, prepend=0, append=known)
    return np.array([*bins, len(values) - known, below, above], dtype=np.int64)


def _categories(codes: Vector) -> Counts:
    unknown = len(CATEGORIES)
    places = np.where(codes >= 0, codes, unknown).astype(np.intp)
    return np.bincount(places, minlength=unknown + 1).astype(np.int64)
