"""How far one sender's word goes: as far as another's, and a little further. Pure.

With keys, whoever holds one can say anything about block groups that nobody else prices. So a price
counts when somebody else prices the same block group, or when its sender is trusted. Else
it moves the known price of its block group as far as two senders saw prices of that category move,
and by `ALONE` more, and changes none of its figures; of several senders the figures that
change least hold. A block group that nobody knows waits for a second sender. Without keys
all feedback is one sender's: there is nothing to hold it against, and the policy asks a person.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from housing_ml.data.block_groups import BLOCK_GROUP, block_groups, newest_of_each
from housing_ml.data.contract import CATEGORY, COLUMNS, IDENTITY, NUMERIC, TARGET

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

SENDER = "sender"
"""Column of who sent a price; empty where the service asks for no keys."""

TOGETHER = "\n"
"""Between the names of senders who agree on a block group."""

REVIEWER = "(a person)"
"""Sender of a price that a person accepted."""

ALONE = math.log(1.01)
"""By how much one sender alone may move a price, as a logarithm."""

_FEW = 10
"""So many prices support half of the move that they see."""

_CHANCE = 0.05
"""How far two prices lie from their level by chance, as a logarithm."""

_AGREE = math.log(1.1)
"""Senders say the same of a block group when their prices are so close, as a logarithm."""

_MOVE = "_move"
_DOWN, _UP = "_down", "_up"
_CHANGE = "_change"
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
    rows = newest_of_each(_moves(base, new), [BLOCK_GROUP, SENDER])
    alone = ~_is_trusted(rows, trusted) & (rows.groupby(BLOCK_GROUP)[SENDER].transform("size") == 1)
    is_new = rows[_BEFORE].isna()
    supported = rows[_MOVE].to_numpy().copy()
    known = (alone & ~is_new).to_numpy()
    rows[_DOWN], rows[_UP] = _seen(rows, trusted).T
    supported[known] = rows[_MOVE].clip(rows[_DOWN] - ALONE, rows[_UP] + ALONE)[known]
    bounded = known & (np.abs(supported - rows[_MOVE].to_numpy()) > 1e-12)
    rows[TARGET] = rows[TARGET] * np.exp(supported - rows[_MOVE].to_numpy())
    rows[_MOVE] = supported
    rows.loc[known, [*COLUMNS]] = base[[*COLUMNS]].iloc[rows.loc[known, BLOCK_GROUP]].to_numpy()
    rows = rows.astype(new.dtypes[[*COLUMNS]].to_dict())
    rows[_CHANGE] = _change(base, rows).where(~_is_trusted(rows, trusted), 0.0)
    kept = _agreed(rows[~(alone & is_new)], trusted)[list(new.columns)]
    return Corroborated(kept, int((alone & is_new).sum()), int(bounded.sum()))


def _is_trusted(rows: pd.DataFrame, trusted: Collection[str]) -> pd.Series[bool]:
    return rows[SENDER].isin([REVIEWER, *trusted])


def _moves(base: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """Return the new rows with number, price before, NaN where it is not known, and log move."""
    numbers = block_groups(base, new)
    known = numbers >= 0
    before = np.full(len(new), np.nan)
    before[known] = base[TARGET].to_numpy()[numbers[known]]
    rows = new.reset_index(drop=True).assign(**{_BEFORE: before, BLOCK_GROUP: numbers})
    rows[_MOVE] = np.log(rows[TARGET] / rows[_BEFORE].fillna(rows[TARGET]))
    return rows


def _change(base: pd.DataFrame, rows: pd.DataFrame) -> pd.Series[float]:
    """Return how far the figures of each row are from those that were known, 0 without any."""
    numbers = rows[BLOCK_GROUP].to_numpy()
    before = base[[*NUMERIC]].to_numpy(dtype=np.float64)[np.maximum(numbers, 0)]
    gaps = np.log1p(np.abs(rows[[*NUMERIC]].to_numpy(dtype=np.float64) - before))
    found = np.where(numbers >= 0, np.nansum(gaps, axis=1), 0.0)
    return rows[_MOVE] * 0.0 + found


def _seen(rows: pd.DataFrame, trusted: Collection[str]) -> NDArray[np.float64]:
    """Return how far down and up two senders saw the category of each row move, (rows, 2)."""
    known = rows[rows[_BEFORE].notna()]
    groups = known.groupby([CATEGORY, SENDER])[_MOVE]
    levels = (groups.median() * _trust(groups.size())).reset_index()
    twice = pd.concat([levels, levels[levels[SENDER].isin([*trusted])]])
    ends = {name: _by_two(group[_MOVE].tolist()) for name, group in twice.groupby(CATEGORY)}
    return np.array([ends.get(name, (0.0, 0.0)) for name in rows[CATEGORY]], dtype=np.float64)


def _by_two(levels: list[float]) -> tuple[float, float]:
    ordered = sorted([0.0, 0.0, *levels])
    return min(0.0, ordered[1]), max(0.0, ordered[-2])


def _beyond_chance(rows: pd.DataFrame) -> pd.Series[float]:
    """Return what senders support together: in full what is seen elsewhere too, else less chance.

    Who always says more than the others makes their chance errors count, if only upwards. So what
    two senders saw elsewhere has a vote of its own in the median, and what is far from it has none.
    """
    elsewhere = rows.drop_duplicates(BLOCK_GROUP)
    elsewhere = elsewhere.assign(**{_MOVE: elsewhere[_DOWN] + elsewhere[_UP]})
    votes = pd.concat([rows, elsewhere])
    middle = votes.groupby(BLOCK_GROUP)[_MOVE].transform("median")
    near = votes[(votes[_MOVE] - middle).abs() <= _AGREE].groupby(BLOCK_GROUP)[_MOVE].median()
    move = rows[BLOCK_GROUP].map(near).fillna(0.0)
    seen = move.clip(rows[_DOWN], rows[_UP])
    beyond = move - seen
    return seen + beyond**3 / (beyond**2 + _CHANCE**2)


def _trust(prices: pd.Series[int]) -> pd.Series[float]:
    """Return how much of their median so many prices support: one may be far off by chance."""
    return prices / (prices + _FEW)


def _agreed(rows: pd.DataFrame, trusted: Collection[str]) -> pd.DataFrame:
    """Return each block group once: the trusted word, or what several senders support."""
    is_trusted = _is_trusted(rows, trusted)
    rows = rows[is_trusted == is_trusted.groupby(rows[BLOCK_GROUP]).transform("max")]
    size = rows.groupby(BLOCK_GROUP)[_MOVE].transform("size")
    supported = _beyond_chance(rows).where(size > 1, rows[_MOVE])
    agreeing = rows[rows[_MOVE] * supported >= supported**2 / 2].groupby(BLOCK_GROUP)[SENDER]
    names = rows[BLOCK_GROUP].map(agreeing.agg(TOGETHER.join)).fillna(rows[SENDER])
    price = rows[TARGET] * np.exp(supported - rows[_MOVE])
    rows = rows.assign(**{TARGET: price, SENDER: names})
    prices = np.log(rows[TARGET]).groupby(rows[BLOCK_GROUP])
    agree = prices.transform("max") - prices.transform("min") <= _AGREE
    ordered = rows[agree].sort_values([_CHANGE, *IDENTITY], kind="stable")
    least = ordered[_CHANGE] == ordered.groupby(BLOCK_GROUP)[_CHANGE].transform("min")
    return newest_of_each(ordered[least], [BLOCK_GROUP])
