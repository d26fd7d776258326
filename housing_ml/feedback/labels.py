"""Actual prices, found by the ids of predictions: 28 bytes each, whatever the ids look like."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pyarrow as pa
    from numpy.typing import NDArray

    from housing_ml.feedback.actual_prices import Batch


class Matches(NamedTuple):
    """The rows of a batch whose price is known."""

    rows: NDArray[np.intp]
    actual: NDArray[np.float64]
    received: NDArray[np.float64]
    """When the price came, in seconds since 1970."""
    senders: NDArray[np.object_]
    """Who sent it."""


class Labels:
    """One price for each prediction id: the one that came last.

    Ids are kept as 64-bit hashes. Of ten million, two share one with a chance of 3 in a million.
    """

    def __init__(self, batches: Iterable[Batch]) -> None:
        codes: dict[str, int] = {}
        tables = (_table(batch, codes.setdefault(batch.sender, len(codes))) for batch in batches)
        table = np.concatenate([np.empty(0, _LABEL), *tables])
        self._senders = np.array([*codes, ""], dtype=object)
        table = table[np.lexsort((table["received"], table["key"]))]
        following = np.append(table["key"][1:], 0)
        is_last = table["key"] != following
        is_last[-1:] = True
        self._table = table[is_last]
        self._keys = self._table["key"].copy()  # close together for the search

    def __len__(self) -> int:
        return len(self._table)

    def find(self, ids: pa.Array) -> Matches:
        """Return which of the ids have a price, and which."""
        keys = _hash(ids.to_numpy(zero_copy_only=False))
        places = np.searchsorted(self._keys, keys)
        places[places == len(self)] = 0
        known = self._keys[places] == keys if len(self) else np.zeros(len(keys), np.bool_)
        rows = np.flatnonzero(known)
        found = self._table[places[rows]]
        senders = self._senders[found["sender"]]
        return Matches(rows, found["actual"], found["received"], senders)


_LABEL = np.dtype(
    [("key", np.uint64), ("actual", np.float64), ("received", np.float64), ("sender", np.int32)]
)


def _table(batch: Batch, sender: int) -> NDArray[np.void]:
    table = np.empty(len(batch.items), _LABEL)
    table["key"] = _hash([item.prediction_id for item in batch.items])
    table["actual"] = [item.actual_price for item in batch.items]
    table["received"] = batch.received
    table["sender"] = sender
    return table


def _hash(ids: list[str] | NDArray[np.object_]) -> NDArray[np.uint64]:
    return pd.util.hash_array(np.asarray(ids, dtype=object), categorize=False)
