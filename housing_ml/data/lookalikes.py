"""Tables that people mistake for this one, known by their columns' names, and what to do."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from housing_ml.data.values import NUMBER

if TYPE_CHECKING:
    from collections.abc import Sequence

HOW_TO = "docs/how-to/prepare-a-table.md"

_AVERAGES = {"medinc", "averooms", "aveoccup"}
_PLACE = {"longitude", "latitude"}
_STATLIB_COLUMNS = 9


def name_key(name: str) -> str:
    """Return what names of one column have in common: letters and digits, in lower case.

    >>> name_key(" Housing Median-Age") == name_key("housingMedianAge")
    True
    """
    return re.sub(r"[\W_]+", "", name).lower()


def hint(names: Sequence[str]) -> str:
    """Return what to do with a table that has these columns; empty where nothing is known."""
    keys = {name_key(name) for name in names}
    if keys >= _AVERAGES:
        return (
            ". This is scikit-learn's California housing: averages per household, and prices in "
            "100,000 dollars; households and totals can be computed, ocean_proximity has to be "
            f"looked up: {HOW_TO} converts it"
        )
    if names and all(re.fullmatch(NUMBER, name.strip()) for name in names):
        statlib = "; nine numbers are StatLib's cal_housing.data, which has no ocean_proximity"
        return (
            ". The first line holds numbers in place of the columns' names"
            f"{statlib if len(names) == _STATLIB_COLUMNS else ''}: {HOW_TO} adds them"
        )
    if len(names) == 1 and names[0].startswith("sep="):
        return ". The first line is Excel's own note of the delimiter: remove it"
    if keys >= _PLACE and "oceanproximity" not in keys:
        return f". ocean_proximity can be looked up by the place: see {HOW_TO}"
    return ""
