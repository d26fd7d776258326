"""Where there is no champion yet: the published figures of the 1990 census data.

They tell a wrong unit or a missing part from data that are plausible, and no more: another sample,
or another year, has other figures.
Source: Pace and Barry, Sparse Spatial Autoregressions, 1997; quartiles of the public table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from housing_ml.data.contract import CATEGORY, FIELDS, TARGET
from housing_ml.data.values import to_floats
from housing_ml.data.world_words import amount, compared
from housing_ml.records.world import Shift

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

QUARTILES: dict[str, tuple[float, float, float]] = {
    "longitude": (-121.8, -118.49, -118.01),
    "latitude": (33.93, 34.26, 37.71),
    "housing_median_age": (18, 29, 37),
    "total_rooms": (1447.75, 2127, 3148),
    "total_bedrooms": (296, 435, 647),
    "population": (787, 1166, 1725),
    "households": (280, 409, 605),
    "median_income": (2.5634, 3.5348, 4.74325),
    TARGET: (119_600, 179_700, 264_725),
}
SHARES = {"<1H OCEAN": 0.443, "INLAND": 0.317, "NEAR OCEAN": 0.129, "NEAR BAY": 0.111}
ROWS = 500
"""Fewer rows are too few to say that they are not of California."""

_MISSING = 0.06
_CORRELATION = 0.3
"""Of price with income: 0.69 in the census."""


def wrong_unit(frame: pd.DataFrame) -> str:
    """Return a sentence about coordinates that are swapped, or a column in another unit."""
    found = {name: to_floats(frame[name])[0] for name in QUARTILES if name in frame}
    medians = {n: float(np.nanmedian(v)) for n, v in found.items() if not np.isnan(v).all()}
    east, north = FIELDS["longitude"], FIELDS["latitude"]
    swapped = (medians.get("latitude", 0.0), medians.get("longitude", 0.0))
    if east.minimum <= swapped[0] <= east.maximum and north.minimum <= swapped[1] <= north.maximum:
        return "longitude and latitude are swapped"
    words = (
        f"{name}: expected a median near {amount(name, QUARTILES[name][1])}, found {median:,.6g}, "
        f"{compared(median / QUARTILES[name][1])}"
        for name, median in medians.items()
        if not FIELDS[name].minimum <= median <= FIELDS[name].maximum
    )
    return "; ".join(words)


def implausible(frame: pd.DataFrame) -> list[Shift]:
    """Return what of the rows can hardly be block groups of California."""
    if len(frame) < ROWS:
        return []
    return [*_levels(frame), *_categories(frame), *_relation(frame)]


def _levels(frame: pd.DataFrame) -> Iterator[Shift]:
    for name, (low, middle, high) in QUARTILES.items():
        values = frame[name].to_numpy()
        missing = float(np.isnan(values).mean())
        if missing > _MISSING:
            limit = f"at most {_MISSING:.0%} missing values"
            yield Shift(columns=(name,), expected=limit, found=f"{missing:.1%}")
        if missing == 1:
            continue
        median = float(np.nanmedian(values))
        if not low <= median <= high:
            yield Shift(
                columns=(name,),
                expected=f"a median near {amount(name, middle)}, from {low:,.6g} to {high:,.6g}",
                found=f"{amount(name, median)}, {compared(median / middle)}",
            )


def _categories(frame: pd.DataFrame) -> Iterator[Shift]:
    shares = frame[CATEGORY].value_counts(normalize=True)
    for name, share in SHARES.items():
        if shares.get(name, 0.0) < share / 4:
            wanted, found = f"{name} in about {share:.0%} of the rows", shares.get(name, 0.0)
            yield Shift(columns=(CATEGORY,), expected=wanted, found=f"{found:.1%}")


def _relation(frame: pd.DataFrame) -> Iterator[Shift]:
    ranks = frame[["median_income", TARGET]].rank().to_numpy().T
    found = float(np.corrcoef(ranks)[0, 1])
    if not found >= _CORRELATION:
        yield Shift(
            columns=("median_income",),
            expected=f"a rank correlation with {TARGET} of {_CORRELATION} or more",
            found=f"{found:.2f}",
        )
