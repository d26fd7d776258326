"""How far one sender's word goes: as far as another's, and a little further. Pure.

With keys, whoever holds one can say anything about block groups that nobody else prices. So a price
counts in full when somebody else prices the same block group, or when its sender is trusted. Else
it moves the known price of its block group as far as another sender saw prices of that category
move, and by `ALONE` more; a block group that nobody knows waits for a second sender. Without keys
all feedback is one sender's: there is nothing to hold it against, and the policy asks a person.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from housing_ml.data.contract import CATEGORY, IDENTITY, TARGET

if TYPE_CHECKING:
    from collections.abc import Collection

    import pandas as pd
    from numpy.typing import NDArray

SENDER = "sender"
"""Column of who sent a price; empty where the service asks for no keys."""

REVIEWER = "(a person)"
"""Sender of a price that a person accepted."""

ALONE = math.log(1.02)
"""By how much one sender alone may move a price, as a logarithm."""

_AGREE = math.log(1.1)
"""Prices of a block group that nobody knew are one price when they are so close, as a logarithm."""

_MOVE = "_move"
_BEFORE = "_before"


class Corroborated(NamedTuple):
    """Rows with each block group once, at the price that is supported."""

    rows: pd.DataFrame
    waiting: int
    """Block groups that nobody knows but one sender."""
    bounded: int
    """Block groups whose price was moved less far than its only sender said."""


def corroborate(
    base: pd.DataFrame, new: pd.DataFrame, trusted: Collection[str] = ()
) -> Corroborated:
    """Return what of `new` is supported.

    Args:
        base: the source's rows, with the contract's columns and the target.
        new: rows of feedback, each block group at most once for each sender, with `SENDER`.
        trusted: senders whose word counts alone.
    """
    if new.empty or not new[SENDER].astype(bool).any():
        return Corroborated(new, 0, 0)
    rows = _moves(base, new)
    alone = ~_is_trusted(rows, trusted) & (rows.groupby([*IDENTITY])[SENDER].transform("size") == 1)
    is_new = rows[_BEFORE].isna()
    supported = rows[_MOVE].to_numpy().copy()
    known = (alone & ~is_new).to_numpy()
    supported[known] = _bounded(rows)[known]
    bounded = known & (np.abs(supported - rows[_MOVE].to_numpy()) > 1e-12)
    rows[TARGET] = rows[TARGET] * np.exp(supported - rows[_MOVE].to_numpy())
    rows[_MOVE] = supported
    kept = _agreed(rows[~(alone & is_new)], trusted)[list(new.columns)]
    return Corroborated(kept, int((alone & is_new).sum()), int(bounded.sum()))


def _is_trusted(rows: pd.DataFrame, trusted: Collection[str]) -> pd.Series[bool]:
    return rows[SENDER].isin([REVIEWER, *trusted])


def _moves(base: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """Return the new rows with the price before, NaN where it is not known, and the log move."""
    before = base[[*IDENTITY, TARGET]].rename(columns={TARGET: _BEFORE})
    before = before.drop_duplicates([*IDENTITY], keep="last")
    rows = new.reset_index(drop=True).merge(before, on=[*IDENTITY], how="left")
    rows[_MOVE] = np.log(rows[TARGET] / rows[_BEFORE].fillna(rows[TARGET]))
    return rows


def _bounded(rows: pd.DataFrame) -> NDArray[np.float64]:
    """Return each row's move, no further than another sender saw its category move, (rows,)."""
    known = rows[rows[_BEFORE].notna()]
    levels = known.groupby([CATEGORY, SENDER])[_MOVE].median().reset_index()
    places = list(zip(rows[CATEGORY], rows[SENDER], strict=True))
    ends = {place: _seen_by_others(levels, *place) for place in set(places)}
    down, up = np.array([ends[place] for place in places]).T
    bounded: NDArray[np.float64] = np.clip(rows[_MOVE].to_numpy(), down - ALONE, up + ALONE)
    return bounded


def _seen_by_others(levels: pd.DataFrame, category: str, sender: str) -> tuple[float, float]:
    others = levels[(levels[CATEGORY] == category) & (levels[SENDER] != sender)][_MOVE]
    return min(0.0, *others, 0.0), max(0.0, *others, 0.0)


def _agreed(rows: pd.DataFrame, trusted: Collection[str]) -> pd.DataFrame:
    """Return each block group once: the trusted word, or what several senders support."""
    is_trusted = _is_trusted(rows, trusted)
    by_place = [rows[name] for name in IDENTITY]
    rows = rows[is_trusted == is_trusted.groupby(by_place).transform("max")]
    groups = rows.groupby([*IDENTITY])[_MOVE]
    low, high = groups.transform("min"), groups.transform("max")
    nearer = low.clip(lower=0) + high.clip(upper=0)  # of two; none where they contradict
    supported = groups.transform("median").where(groups.transform("size") > 2, nearer)
    rows = rows.assign(**{TARGET: rows[TARGET] * np.exp(supported - rows[_MOVE])})
    prices = np.log(rows[TARGET]).groupby([rows[name] for name in IDENTITY])
    agree = prices.transform("max") - prices.transform("min") <= _AGREE
    ordered = rows[agree].sort_values([*IDENTITY, "received"], kind="stable")
    kept: pd.DataFrame = ordered.drop_duplicates([*IDENTITY], keep="last")
    return kept.reset_index(drop=True)
