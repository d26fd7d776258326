"""Why a price is what it is: exact Shapley values of groups of inputs.

Inputs that only mean something together form a group (longitude without latitude is no place). For
each of the 2^5 subsets of groups, the price is predicted with those groups as they are and the
others as in reference block groups, and averaged over these; a group's contribution is its mean
effect over all orders in which the groups can be filled in. So the contributions and the mean
price of the reference block groups sum to the prediction, to rounding. Source: Shapley (1953);
Lundberg and Lee, "A unified approach to interpreting model predictions" (2017), the
interventional form.

Budget: 32 predictions for each instance and reference row, all in one batch.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from housing_ml.data.contract import COLUMNS, Matrix
from serve.models.comparables import comparables
from serve.schemas import Explanation

if TYPE_CHECKING:
    from collections.abc import Callable

    from housing_ml.bundle.model import Bundle

Vector: TypeAlias = NDArray[np.float64]

GROUPS: dict[str, tuple[str, ...]] = {
    "location": ("longitude", "latitude"),
    "ocean proximity": ("ocean_proximity",),
    "income": ("median_income",),
    "age": ("housing_median_age",),
    "rooms and people": ("total_rooms", "total_bedrooms", "population", "households"),
}


_REFERENCES = 16
"""Reference rows of an explanation: 512 predictions for each instance."""


def explained(bundle: Bundle, raw: Matrix) -> list[Explanation]:
    """Return why a bundle prices each of the raw rows (rows, 9) as it does."""
    base, contributions = explain(
        lambda rows: bundle.predict_matrix(rows).price, raw, bundle.golden.raw[:_REFERENCES]
    )
    rows = zip(contributions.tolist(), comparables(bundle, raw), strict=True)
    return [
        Explanation(base + sum(row), base, dict(zip(GROUPS, row, strict=True)), alike)
        for row, alike in rows
    ]


def explain(
    predict: Callable[[Matrix], Vector], instances: Matrix, references: Matrix
) -> tuple[float, Matrix]:
    """Return the mean price of `references`, and each instance's contributions by group.

    Args:
        predict: prices (rows,) in dollars of raw rows (rows, 9).
        instances: raw rows (n, 9).
        references: raw rows (r, 9) that stand for the unknown.

    Returns:
        dollars, and float64 (n, 5) in dollars in the order of `GROUPS`.
    """
    masks = _column_masks()
    mixed = np.where(
        masks[None, :, None, :], instances[:, None, None, :], references[None, None, :, :]
    )
    prices = predict(np.ascontiguousarray(mixed.reshape(-1, len(COLUMNS))))
    values = prices.reshape(len(instances), len(masks), len(references)).mean(axis=2)
    return float(values[0, 0]), values @ _shapley_weights().T


def _column_masks() -> NDArray[np.bool_]:
    """Return, for each subset of groups, the columns that are the instance's: bool (32, 9)."""
    owners = np.array(
        [
            next(index for index, names in enumerate(GROUPS.values()) if column in names)
            for column in COLUMNS
        ]
    )
    subsets = np.arange(2 ** len(GROUPS))
    present: NDArray[np.bool_] = (subsets[:, None] >> owners[None, :] & 1) == 1
    return present


def _shapley_weights() -> Matrix:
    """Return the weight of each subset's value in each group's contribution: (5, 32)."""
    count = len(GROUPS)
    weights = np.zeros((count, 2**count))
    for group in range(count):
        for subset in range(2**count):
            if subset >> group & 1:
                continue
            size = subset.bit_count()
            weight = math.factorial(size) * math.factorial(count - size - 1)
            weights[group, subset | 1 << group] += weight / math.factorial(count)
            weights[group, subset] -= weight / math.factorial(count)
    return weights
