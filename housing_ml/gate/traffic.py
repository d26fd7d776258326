"""A candidate's prices of what the service was asked for lately, beside the champion's."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from housing_ml.data.contract import CATEGORIES, COLUMNS, Matrix
from housing_ml.modelling.evaluation import parts
from housing_ml.records.gate import MovedRow, Traffic, TrafficPart

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from housing_ml.bundle.model import Bundle
    from housing_ml.records.gate import Move

Vector: TypeAlias = NDArray[np.float64]

MOVED = 0.1
"""A price that moves by more, up or down, has moved."""
MOST_MOVED = 10
"""Rows that a person sees."""


class Asked(NamedTuple):
    """Logged rows, and what the champion makes of them."""

    raw: Matrix
    price: Vector
    """Its prices in dollars, (rows,), NaN where it has none."""
    warned: NDArray[np.bool_] | None
    """Of which rows it warns, (rows,); None where it cannot say."""


def price_traffic(bundle: Bundle, asked: Asked, moves: Sequence[Move]) -> Traffic:
    """Return what the candidate makes of logged rows (rows, 9), at least one.

    `moves` are of levels of prices that newer prices have moved: what they explain has not moved.
    """
    price = bundle.predict_matrix(asked.raw).price
    said = bundle.warnings_for(asked.raw)
    finite = np.isfinite(price)
    both = finite & np.isfinite(asked.price)
    ratio = np.zeros(len(price))
    ratio[both] = np.log(price[both] / asked.price[both])
    beyond = _unexplained(asked.raw, ratio, moves)
    moved = np.abs(beyond) > np.log1p(MOVED)
    warned = np.array([bool(found) for found in said])
    shift = float(ratio[both].mean()) if both.any() else None
    return Traffic(
        rows=len(price),
        compared=int(both.sum()),
        not_finite=int((~finite).sum()),
        newly_warned=None if asked.warned is None else float((warned & ~asked.warned).mean()),
        moved=float(moved[both].mean()) if both.any() else None,
        shift=shift,
        apart=None if shift is None else float(np.abs(ratio[both] - shift).mean()),
        parts=tuple(_parts(asked, both, moved)),
        most_moved=tuple(_most_moved(asked, price, np.where(both, beyond, 0.0), said)),
    )


def _unexplained(raw: Matrix, ratio: Vector, moves: Sequence[Move]) -> Vector:
    """Return the logarithm of each price's change, (rows,), less what its level's move explains."""
    least, most = np.zeros(len(raw)), np.zeros(len(raw))
    for move in (move for move in moves if move.name in CATEGORIES):
        rows = raw[:, -1] == CATEGORIES.index(move.name)
        least[rows], most[rows] = sorted((0.0, float(np.log(move.change))))
    return np.asarray(ratio - np.clip(ratio, least, most), dtype=np.float64)


def _parts(
    asked: Asked, both: NDArray[np.bool_], moved: NDArray[np.bool_]
) -> Iterator[TrafficPart]:
    if not both.any():
        return
    for kind, name, rows in parts(asked.raw[both], asked.price[both]):
        share = float(moved[both][rows].mean())
        yield TrafficPart(name=f"{kind} {name}", rows=int(rows.sum()), moved=share)


def _most_moved(
    asked: Asked, price: Vector, beyond: Vector, said: Sequence[list[str]]
) -> Iterator[MovedRow]:
    """Yield the rows that move most, each once."""
    order = np.argsort(-np.abs(beyond), kind="stable")
    order = order[beyond[order] != 0]
    _, first = np.unique(asked.raw[order], axis=0, return_index=True)
    for row in order[np.sort(first)][:MOST_MOVED].tolist():
        yield MovedRow(
            row=_named(asked.raw[row]),
            champion=float(asked.price[row]),
            candidate=float(price[row]),
            warnings=tuple(said[row]),
        )


def _named(row: Vector) -> dict[str, float | str | None]:
    *numbers, code = row.tolist()
    category = CATEGORIES[int(code)] if code >= 0 else "unknown"
    values = (None if np.isnan(value) else value for value in numbers)
    return dict(zip(COLUMNS, (*values, category), strict=True))
