"""What is kept of a source: it travels in the bundle of the model that was made of it."""

from __future__ import annotations

from typing import Literal

import msgspec


class Distribution(msgspec.Struct, frozen=True):
    """A column's quantiles, ascending, and the share of its known values at or below each."""

    points: tuple[float, ...]
    shares: tuple[float, ...]
    missing: float
    """Share of the rows without a value."""


class HeldOut(msgspec.Struct, frozen=True):
    """Which rows a model was not trained on: those of some places, or some by their figures."""

    share: float
    salt: str
    by: Literal["row", "place"] = "row"


class World(msgspec.Struct, frozen=True):
    """A source of `rows` rows."""

    rows: int
    columns: dict[str, Distribution]
    categories: dict[str, int]
    cells: dict[str, int]
    """Rows in squares of several sizes on the map."""
    correlations: tuple[tuple[float, ...], ...]
    """Spearman's, between any two of `NUMBERS`."""
    sample: tuple[tuple[float | None, ...], ...]
    """Some rows that are alone at their place, columns as in `COLUMNS`, then the price."""
