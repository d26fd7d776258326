"""Since when do prices hold? Pure: old prices that newer ones contradict are out of date.

When prices double inland, a block group whose new price has come says so, and its neighbours still
have the old one. A model that learns from both learns neither, and a holdout with both praises the
model that is wrong today. So the newest prices of a category are held against those of the source
for the same block groups; what is older than the last change is left out.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

Vector: TypeAlias = NDArray[np.float64]

CHUNK = 100
"""Prices that are judged together; with fewer there is no verdict, and all prices hold."""

SHIFT = math.log(1.1)
"""Change of their median that counts, as a logarithm. By chance the median of 100 prices with 15 %
of noise is 10 % off once in a million times."""

ALWAYS = -math.inf


def valid_since(ratio: Vector, received: Vector) -> float:
    """Return since when prices hold, in seconds since 1970; `ALWAYS` when the source's do too.

    Args:
        ratio: new price over the source's for a block group, (rows,).
        received: when the new price came, in seconds since 1970, (rows,).
    """
    if len(ratio) < CHUNK:
        return ALWAYS
    chunks = np.array_split(np.argsort(received, kind="stable"), len(ratio) // CHUNK)
    source = 0.0
    levels = np.array([source, *(math.log(np.median(ratio[chunk])) for chunk in chunks)])
    contradicted = np.flatnonzero(np.abs(levels - levels[-1]) > SHIFT)
    return float(received[chunks[contradicted[-1]][0]]) if len(contradicted) else ALWAYS


def valid_since_by_category(pairs: pd.DataFrame) -> dict[str, float]:
    """Return since when the prices of each category hold.

    `pairs` has a row for each block group with both prices: category, ratio and received.
    """
    return {
        str(name): valid_since(group["ratio"].to_numpy(), group["received"].to_numpy())
        for name, group in pairs.groupby("category")
    }
