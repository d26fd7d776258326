"""Parts of a source, categories and squares of the map: has one of them lost or won rows?"""

from __future__ import annotations

from math import exp, sqrt
from typing import TYPE_CHECKING, NamedTuple

from housing_ml.data.contract import CATEGORY
from housing_ml.data.world import PLACE, cells
from housing_ml.records.world import Shift

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from housing_ml.data.world_record import World

_SIGMAS = 5.0
_SHARE = 0.15
"""Relative change of a part that matters."""
_LEAST_ROWS = 30
_LEAST_SHARE = 0.002
_BY_CHANCE = 1e-4


class Expected(NamedTuple):
    """A source of `rows` rows, that has a share `overlap` of those of the known one."""

    world: World
    rows: int
    overlap: float

    @property
    def new(self) -> float:
        """Rows that the known source did not have."""
        return max(0.0, self.rows - self.overlap * self.world.rows)

    def of(self, before: int) -> tuple[float, float]:
        """Return how many rows a part is to have, and its standard deviation by chance.

        Known rows are drawn without replacement (hypergeometric), new ones with (Poisson).
        """
        overlap, drawn = self.overlap, self.new * before / self.world.rows
        wanted = min(overlap, self.rows / self.world.rows) * before + drawn
        known = before * overlap * (1 - overlap)
        share = before**2 * overlap * (1 - overlap) / max(1, len(self.world.sample))
        return wanted, sqrt(known + share + drawn * (1 + self.new / self.world.rows) + 1)

    def differs(self, before: int, now: int) -> bool:
        """Whether a part has changed, by more than chance does."""
        wanted, deviation = self.of(before)
        least = max(_LEAST_ROWS, _LEAST_SHARE * self.rows)
        change = abs(now - wanted)
        return change > max(_SIGMAS * deviation, _SHARE * wanted, least)

    def is_gone(self, before: int, now: int) -> bool:
        """Whether a part has no row any more, though chance left it some."""
        drawn = self.new * before / self.world.rows
        return now == 0 and (1 - self.overlap) ** before * exp(-drawn) < _BY_CHANCE


def category_shifts(expected: Expected, frame: pd.DataFrame) -> Iterator[Shift]:
    """Yield each category that is gone; where none is, each whose share has changed."""
    found, known = frame[CATEGORY].value_counts(), expected.world.categories
    counts = {
        name: (known.get(name, 0), int(found.get(name, 0)))
        for name in sorted({*known, *found.index})
    }
    gone = [name for name, pair in counts.items() if expected.is_gone(*pair)]
    for name in gone or [name for name, pair in counts.items() if expected.differs(*pair)]:
        before, now = counts[name]
        wanted = before if gone else expected.of(before)[0]
        yield Shift(
            columns=(CATEGORY,), expected=f"{wanted:,.0f} rows {name}", found=f"{now:,} rows"
        )


def place_shifts(expected: Expected, frame: pd.DataFrame) -> Iterator[Shift]:
    """Yield the square of the map that has changed most, if one has."""
    found, known = cells(frame), expected.world.cells
    changed = [
        (abs(found.get(name, 0) - wanted) / deviation, name)
        for name in {**known, **found}
        for wanted, deviation in [expected.of(known.get(name, 0))]
        if expected.differs(known.get(name, 0), found.get(name, 0))
    ]
    if changed:
        _, name = max(changed)
        west, south, size = map(float, name.split())
        yield Shift(
            columns=PLACE,
            expected=f"{expected.of(known.get(name, 0))[0]:,.0f} rows from {west:g} to "
            f"{west + size:g} degrees east and {south:g} to {south + size:g} north",
            found=f"{found.get(name, 0):,} rows",
        )
