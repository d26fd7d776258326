"""Block groups that two sources have, found again by their place: what has become of each column.

Chance plays no part here: the same block group has the same figures, until someone changes them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from housing_ml.data.contract import CATEGORY, COLUMNS, TARGET, category_codes
from housing_ml.data.world import NUMBERS, PLACE
from housing_ml.data.world_words import amount, compared
from housing_ml.records.world import Shift

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from housing_ml.data.world import Vector
    from housing_ml.data.world_record import World

AGE = "housing_median_age"
LEAST_PAIRS = 20
LEAST_ALIKE = 3
"""Columns that are as they were in a block group that is found again."""
LEVEL = 0.01
"""Change of a column's level that counts, as a fraction."""
CHANGED = 0.05
"""Change of a value that counts, as a fraction."""
CHANGED_SHARE = 0.2
"""Share of the block groups that may have changed."""
YEARS = (0.0, 3.0)
"""By so many years may every age have grown."""


def find_pairs(world: World, frame: pd.DataFrame) -> pd.DataFrame:
    """Return the sampled block groups that the rows have too, with `_now` after the new columns.

    One is found again where a place has one row in both and most figures are as they were: two
    block groups may share a place that is rounded to a kilometre.
    """
    before = pd.DataFrame(list(world.sample), columns=[*COLUMNS, TARGET], dtype=np.float64)
    now = frame[~frame.duplicated([*PLACE], keep=False)]
    now = now.assign(**{CATEGORY: category_codes(now[CATEGORY])})
    both = before.merge(now, on=[*PLACE], suffixes=("", "_now"))
    names = [name for name in NUMBERS if name not in PLACE]
    change = both[[f"{name}_now" for name in names]].to_numpy() / both[names].to_numpy() - 1
    alike: pd.DataFrame = both.loc[(np.abs(change) < LEVEL).sum(axis=1) >= LEAST_ALIKE]
    return alike


def paired_shifts(both: pd.DataFrame) -> list[Shift]:
    """Return the columns whose values are others in block groups that both sources have."""
    found = [_shift(name, both) for name in (*NUMBERS, CATEGORY) if name not in PLACE]
    if not any(shift and shift.columns == (TARGET,) for shift in found):
        found.append(_by_square(both))
    return [shift for shift in found if shift]


def _shift(name: str, both: pd.DataFrame, where: str = "") -> Shift | None:
    pairs = both[[name, f"{name}_now"]].dropna()
    before, now = pairs.to_numpy().T
    if len(pairs) < LEAST_PAIRS:
        return None
    if name == CATEGORY:
        moved = before != now
        return _many_changed(name, moved, where)
    if name == AGE:
        return _age_shift(before, now)
    ratio = np.log(now / before)
    level = float(np.median(ratio))
    noise = 1.4826 * np.median(np.abs(ratio - level)) / np.sqrt(len(ratio))
    if abs(level) > max(LEVEL, 4 * noise):
        words = compared(float(np.exp(level)))
        return Shift(
            columns=(name,),
            expected=f"a median of {amount(name, float(np.median(before)))}{where}",
            found=f"{amount(name, float(np.median(now)))}, {words}, in {len(ratio):,} block "
            "groups that both sources have",
        )
    return _many_changed(name, np.abs(ratio) > CHANGED, where)


def _age_shift(before: Vector, now: Vector) -> Shift | None:
    """Every age may have grown by the same years."""
    change = now - before
    years = float(np.median(change))
    if not YEARS[0] <= years <= YEARS[1]:
        return Shift(
            columns=(AGE,),
            expected=f"a median of {np.median(before):.0f} years, or up to {YEARS[1]:.0f} more",
            found=f"{np.median(now):.0f} in the {len(now):,} block groups that both sources have",
        )
    return _many_changed(AGE, np.abs(change - years) > 1, "")


def _many_changed(name: str, moved: NDArray[np.bool_], where: str) -> Shift | None:
    if moved.mean() <= CHANGED_SHARE:
        return None
    return Shift(
        columns=(name,),
        expected=f"the same values{where} in at least {1 - CHANGED_SHARE:.0%} of the block groups "
        "that both sources have",
        found=f"others in {moved.mean():.0%} of {len(moved):,}",
    )


def _by_square(both: pd.DataFrame) -> Shift | None:
    """Return where prices moved in one square of the map, a degree wide, or in one category."""
    corners = np.floor(both[[*PLACE]].to_numpy())
    squares = [
        f"{west:g} to {west + 1:g} degrees east, {south:g} to {south + 1:g} north"
        for west, south in corners.tolist()
    ]
    for where, rows in both.groupby(np.array(squares, dtype=object)):
        found = _shift(TARGET, rows, f" from {where}")
        if found:
            return found
    return None
