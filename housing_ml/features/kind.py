"""What a house of its kind costs anywhere: a ridge regression that knows nothing of the place.

Neighbours are compared by what they cost beyond that: houses of another kind then tell as much of
a place as those of the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from housing_ml.data.contract import CATEGORIES, CATEGORY, COLUMNS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from housing_ml.features.geography import Floats

_AGE = COLUMNS.index("housing_median_age")
_CODE = COLUMNS.index(CATEGORY)
_CATEGORY_CODES = np.arange(len(CATEGORIES), dtype=np.float64)
_LEFT, _RIGHT = np.triu_indices(6)
_PENALTY = 1.0
"""On squared coefficients of standardised terms: it only matters where rows are few."""


class LeftOut(NamedTuple):
    """The regression's training rows, ready to be left out of it one by one.

    Args:
        price: float64 (n,), each row's price by the regression of all rows but itself.
        residual: float64 (n,), dollars of all rows beyond the regression of all.
        influence: float64 (n, t), whose inner products say how one row's price moves another's.
    """

    price: Floats
    residual: Floats
    influence: Floats

    def residuals(self, rows: slice, others: NDArray[np.integer[Any]]) -> Floats:
        """Return dollars, float64 (n, k), of `others` beyond a regression without each of `rows`.

        `others` (n, k) are the numbers of k rows for each of the n.
        Source: Cook and Weisberg, Residuals and Influence in Regression, 1982, section 2.2.
        """
        influence = self.influence[rows]
        moved = self.residual[rows] / (1 - (influence**2).sum(axis=1))
        residuals: Floats = self.residual[others]
        for rank, number in enumerate(others.T):
            residuals[:, rank] += (influence * self.influence[number]).sum(axis=1) * moved
        return residuals


class Themselves(NamedTuple):
    """Training rows of the numbers `rows`, and what leaves each of them out."""

    rows: slice
    left_out: LeftOut


def fit_kind(terms: Floats, prices: Floats) -> tuple[Floats, LeftOut]:
    """Fit prices (n,) in dollars on the terms (n, t).

    Returns:
        Coefficients (1 + t,), the intercept first; and what tells of the rows without themselves.
    """
    centre, scale = terms.mean(axis=0), terms.std(axis=0)
    scale[scale < 1e-9] = 1.0
    standard = np.column_stack([np.ones(len(terms)), (terms - centre) / scale])
    normal = standard.T @ standard
    normal[np.diag_indices(len(normal))] += [0.0, *[_PENALTY] * terms.shape[1]]
    solved = np.linalg.solve(normal, standard.T @ prices)
    fitted, slopes = standard @ solved, solved[1:] / scale
    influence = np.linalg.solve(np.linalg.cholesky(normal), standard.T).T
    residual, leverage = prices - fitted, (influence**2).sum(axis=1)
    without = fitted - residual * leverage / (1 - leverage)
    coefficients = np.concatenate([[solved[0] - centre @ slopes], slopes])
    return coefficients, LeftOut(without, residual, influence)


def kind_prices(terms: Floats, coefficients: Floats) -> Floats:
    """Return dollars, float64 (n,), of terms (n, t), which are overwritten."""
    terms *= coefficients[1:]
    dollars: Floats = terms.sum(axis=1)
    dollars += coefficients[0]
    return dollars


def kind_terms(filled: Floats, logs: Floats) -> Floats:
    """Return logs and age, their squares and products, and the categories, (n, 32)."""
    numbers = np.concatenate([logs, filled[:, _AGE : _AGE + 1]], axis=1)
    products = numbers.take(_LEFT, axis=1) * numbers.take(_RIGHT, axis=1)
    return np.concatenate([numbers, products, filled[:, _CODE:] == _CATEGORY_CODES], axis=1)
