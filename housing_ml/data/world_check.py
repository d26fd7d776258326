"""Is a source of the world that the champion knows? Pure: what is not as expected, by column.

The most telling comparison is that of block groups that both sources have; the others look at each
column by itself, at the map, and at how columns go together. A difference counts when it matters
and chance does not explain it.
"""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING

import numpy as np

from housing_ml.data.world import NUMBERS, correlations
from housing_ml.data.world_pairs import find_pairs, paired_shifts
from housing_ml.data.world_parts import Expected, category_shifts, place_shifts
from housing_ml.data.world_words import amount, compared
from housing_ml.records.world import Shift

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd

    from housing_ml.data.world import Vector
    from housing_ml.data.world_record import Distribution, World

AGE = "housing_median_age"
YEARS = 3
"""So many years may a source be newer: every age is higher by that."""

_DISTANCE = 0.03
_CORRELATION = 0.06
_MISSING = 0.02
_BEYOND = 3.0
_STRAY, _UNSEEN = 0.001, 10
"""This share of values may lie beyond so many times the known range, or so many over the known rows
where those are few: slips, and what a small sample did not see, are no other unit."""

_SIGMAS = 5.0
_KOLMOGOROV = 2.6
"""Of the scaled statistic: by chance once in 700,000 times (Smirnov, 1948)."""


def shifts(world: World, frame: pd.DataFrame) -> list[Shift]:
    """Return what of the rows is not as in `world`; the most telling first."""
    pairs = find_pairs(world, frame)
    expected = Expected(world, len(frame), len(pairs) / max(1, len(world.sample)))
    found = paired_shifts(pairs)
    for more in (
        category_shifts(expected, frame),
        place_shifts(expected, frame),
        _column_shifts(world, frame),
        _relation_shifts(world, frame),
    ):
        known = {name for shift in found for name in shift.columns}
        found += [item for item in more if not known.intersection(item.columns)]
    return found


def _noise(world: World, rows: int) -> float:
    """Return the standard error of a difference of two means, in standard deviations."""
    return sqrt(1 / world.rows + 1 / max(1, rows))


def _column_shifts(world: World, frame: pd.DataFrame) -> Iterator[Shift]:
    for name in NUMBERS:
        values = frame[name].to_numpy()
        known = np.sort(values[~np.isnan(values)])
        expected, missing = world.columns[name], 1 - len(known) / len(values)
        chance = _SIGMAS * sqrt(max(missing, expected.missing)) * _noise(world, len(values))
        if abs(missing - expected.missing) > max(_MISSING, chance):
            yield Shift(
                columns=(name,),
                expected=f"{expected.missing:.1%} of the values missing",
                found=f"{missing:.1%}",
            )
        elif len(known) and _distance(name, expected, known) > max(
            _DISTANCE, _KOLMOGOROV * _noise(world, len(known))
        ):
            yield _moved(name, expected, known)
        elif stray := _stray(name, expected, known, world.rows):
            yield stray


def _stray(name: str, expected: Distribution, known: Vector, rows: int) -> Shift | None:
    """Return what lies far beyond every known value, as rows in another unit do; None if little."""
    low, high = expected.points[0], expected.points[-1]
    if low < 0 or not high:  # a degree has no factor, and what was never known no range
        return None
    beyond = known[(known < low / _BEYOND) | (known > high * _BEYOND)]
    if len(beyond) <= max(_STRAY, _UNSEEN / rows) * len(known):
        return None
    middle = float(np.median(beyond))
    ratio = middle / _quantiles(expected, [0.5])[0]
    return Shift(
        columns=(name,),
        expected=f"values from {amount(name, low)} to {amount(name, high)}",
        found=f"{len(beyond):,} far beyond, their median {amount(name, middle)}, {compared(ratio)}",
    )


def _distance(name: str, expected: Distribution, known: Vector) -> float:
    """Return the largest difference of the distribution functions."""
    years = range(YEARS + 1) if name == AGE else range(1)
    points = np.array(expected.points)
    shares = (np.searchsorted(known, points + older, side="right") for older in years)
    return min(float(np.abs(found / len(known) - expected.shares).max()) for found in shares)


def _quantiles(expected: Distribution, shares: Sequence[float]) -> Vector:
    return np.array(expected.points)[np.searchsorted(expected.shares, shares)]


def _moved(name: str, expected: Distribution, known: Vector) -> Shift:
    quarters = [0.25, 0.5, 0.75]
    before = _quantiles(expected, quarters)
    now = np.quantile(known, quarters)
    quartiles = "a median of {} (quartiles {} and {})"
    words = [
        quartiles.format(*(amount(name, item) for item in (part[1], part[0], part[2])))
        for part in (before, now)
    ]
    ratio = now[1] / before[1] if before[1] else 1.0
    return Shift(columns=(name,), expected=words[0], found=f"{words[1]}, {compared(ratio)}")


def _relation_shifts(world: World, frame: pd.DataFrame) -> Iterator[Shift]:
    now, before = correlations(frame), np.array(world.correlations)
    change = np.abs(now - before)
    limit = max(_CORRELATION, (_SIGMAS + 1) * _noise(world, len(frame)))
    if not (change > limit).any():
        return
    name = int(change.sum(axis=0).argmax())
    other = int(change[name].argmax())
    yield Shift(
        columns=(NUMBERS[name],),
        expected=f"a rank correlation of {before[name, other]:+.2f} with {NUMBERS[other]}",
        found=f"{now[name, other]:+.2f}",
    )
