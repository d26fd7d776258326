"""Raw rows that reach every branch of features and model: what a bundle proves itself on.

Code that computes otherwise seldom does so everywhere. So beside ordinary rows there are those at
the edges: categories and missing bedrooms, the ends of each column, places on top of training rows
and far from all of them, and values that meet a split of a tree exactly.

The first rows are ordinary ones, which explanations compare with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray

from housing_ml.data.contract import CATEGORIES, COLUMNS, FIELDS, NUMERIC, Matrix

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from housing_ml.features import HousingFeatures

COUNT = 1024

ORDINARY = 64
"""The first rows, drawn from the training rows."""

_EACH = 8
"""Ordinary rows that are given each category and each end of a column."""

_GRID = 10
"""Places along each side of the whole area, most of them far from any training row."""

_CANDIDATES = 96
"""Splits of each column that are tried; most are not met on the way of the row that meets them."""

_HITS = 192
_BEDROOMS = COLUMNS.index("total_bedrooms")
_CODES = range(-1, len(CATEGORIES))

Floats: TypeAlias = NDArray[np.float64]
Splits: TypeAlias = dict[int, Floats]
"""Thresholds of trees by raw column."""


def golden_rows(
    raw: Matrix, splits: Splits, price: Callable[[Matrix], Sequence[Floats]], seed: int
) -> Matrix:
    """Return `COUNT` rows (rows, 9), the same for the same training rows and model.

    Args:
        raw: the training rows (rows, 9).
        splits: see `model_splits`.
        price: gives the model's price and spread of raw rows, (rows,) each, in dollars: they
            differ on the two sides of a split that a row really meets.
        seed: of what is drawn.
    """
    generator = np.random.default_rng(seed)
    ordinary = raw[generator.choice(len(raw), ORDINARY)]
    ordinary[: len(_CODES), -1] = _CODES
    ordinary[len(_CODES) : 2 * len(_CODES), _BEDROOMS] = np.nan
    chosen = [
        ordinary,
        _categories(ordinary[-_EACH:]),
        _ends(raw, ordinary[-_EACH:]),
        _places(raw, generator),
        _met_splits(raw, splits, price, generator),
    ]
    edges = np.vstack(chosen)
    return np.vstack([edges, raw[generator.choice(len(raw), max(0, COUNT - len(edges)))]])


def model_splits(model: bytes, features: HousingFeatures) -> Splits:
    """Return the thresholds on raw columns of an exported model's trees and of a forest's imputer.

    The first columns of the features are the raw numeric ones, in the same order.
    """
    found = [_node_splits(node) for node in onnx.load_from_string(model).graph.node]
    state = features.imputer_.to_arrays()
    if "roots" in state:
        inner = state["left"] != np.arange(len(state["left"]))
        others = np.delete(np.arange(len(NUMERIC)), _BEDROOMS)
        found.append((others[state["column"][inner]], state["number"][inner]))
    column = np.concatenate([columns for columns, _ in found])
    threshold = np.concatenate([thresholds for _, thresholds in found])
    return {number: np.unique(threshold[column == number]) for number in range(len(NUMERIC))}


def _node_splits(node: onnx.NodeProto) -> tuple[NDArray[np.intp], Floats]:
    values = {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}
    if node.op_type != "TreeEnsemble" or node.input[0] == "price":
        return np.empty(0, dtype=np.intp), np.empty(0)
    columns = np.array(values["nodes_featureids"], dtype=np.intp)
    return columns, onnx.numpy_helper.to_array(values["nodes_splits"])


def _categories(rows: Matrix) -> Matrix:
    """Give each row each category, with its bedrooms and without."""
    known = rows.repeat(len(_CODES), axis=0)
    known[:, -1] = np.tile(_CODES, len(rows))
    missing = known.copy()
    missing[:, _BEDROOMS] = np.nan
    return np.vstack([known, missing])


def _ends(raw: Matrix, rows: Matrix) -> Matrix:
    """Give each row each end of each column, of the training rows and of the contract."""
    lowest, highest = np.nanmin(raw, axis=0), np.nanmax(raw, axis=0)
    edited = [lowest, highest]
    for column, name in enumerate(NUMERIC):
        field = FIELDS[name]
        for value in (lowest[column], highest[column], field.minimum, field.maximum):
            given = rows.copy()
            given[:, column] = value
            edited.extend(given)
    return np.vstack(edited)


def _places(raw: Matrix, generator: np.random.Generator) -> Matrix:
    """Return training rows as they are, some a little away, and some on a grid of all places."""
    same = raw[generator.choice(len(raw), ORDINARY)]
    beside = same.copy()
    beside[:, :2] += generator.uniform(-1e-3, 1e-3, (len(beside), 2))  # a hundred metres
    sides = [np.linspace(FIELDS[name].minimum, FIELDS[name].maximum, _GRID) for name in NUMERIC[:2]]
    far = raw[generator.choice(len(raw), _GRID**2)]
    far[:, :2] = np.stack(np.meshgrid(*sides), axis=-1).reshape(-1, 2)
    return np.vstack([same, beside, far])


def _met_splits(
    raw: Matrix,
    splits: Splits,
    price: Callable[[Matrix], Sequence[Floats]],
    generator: np.random.Generator,
) -> Matrix:
    """Return rows whose value is a threshold, where the next value has another price."""
    edited = []
    for column, thresholds in splits.items():
        count = min(_CANDIDATES, len(thresholds))
        for threshold in generator.choice(thresholds, count, replace=False):
            row = raw[np.nanargmin(np.abs(raw[:, column] - threshold))].copy()
            row[column] = threshold
            edited.append((column, row))
    if not edited:
        return raw[:0]
    columns = [column for column, _ in edited]
    at = np.vstack([row for _, row in edited])
    at[::4, _BEDROOMS] = np.where(np.array(columns[::4]) == _BEDROOMS, at[::4, _BEDROOMS], np.nan)
    above = at.copy()
    rows = np.arange(len(at))
    next_values = np.nextafter(at[rows, columns].astype(np.float32), np.float32(np.inf))
    above[rows, columns] = next_values
    met = np.flatnonzero(np.any(np.not_equal(price(at), price(above)), axis=0))
    met = generator.permutation(met)[:_HITS]
    return np.vstack([at[met], above[met]])
