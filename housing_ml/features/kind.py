"""What a house of its kind costs anywhere: a ridge regression that knows nothing of the place.

Neighbours are compared by what they cost beyond that: houses of another kind then tell as much of
a place as those of the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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


class KindPrices:
    """A fitted regression: an intercept in dollars and the coefficients of 32 terms.

    Args:
        coefficients: float64 (33,), the intercept first.
    """

    def __init__(self, coefficients: Floats) -> None:
        self.coefficients = coefficients

    @classmethod
    def fit(cls, filled: Floats, logs: Floats, prices: Floats) -> tuple[KindPrices, Floats]:
        """Fit on rows (n, 9), their logs (n, 5) and prices (n,) in dollars.

        Returns:
            The regression, and each row's price by it as if it had been fitted without the row.
        """
        terms = _terms(filled, logs)
        centre, scale = terms.mean(axis=0), terms.std(axis=0)
        scale[scale < 1e-9] = 1.0
        standard = (terms - centre) / scale
        level = prices.mean()
        normal = standard.T @ standard + _PENALTY * np.eye(terms.shape[1])
        slopes = np.linalg.solve(normal, standard.T @ (prices - level)) / scale
        fitted = cls(np.concatenate([[level - centre @ slopes], slopes]))
        price = fitted.price(filled, logs)
        leverage = (standard * np.linalg.solve(normal, standard.T).T).sum(axis=1) + 1 / len(terms)
        return fitted, price - (prices - price) * leverage / (1 - leverage)

    def price(self, filled: Floats, logs: Floats) -> Floats:
        """Return dollars, float64 (n,), of rows (n, 9) and their logs (n, 5)."""
        terms = _terms(filled, logs)
        terms *= self.coefficients[1:]
        dollars: Floats = terms.sum(axis=1)
        dollars += self.coefficients[0]
        return dollars

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the whole state."""
        return {"coefficients": self.coefficients}


def _terms(filled: Floats, logs: Floats) -> Floats:
    """Return logs and age, their squares and products, and the categories, (n, 32)."""
    numbers = np.concatenate([logs, filled[:, _AGE : _AGE + 1]], axis=1)
    products = numbers.take(_LEFT, axis=1) * numbers.take(_RIGHT, axis=1)
    return np.concatenate([numbers, products, filled[:, _CODE:] == _CATEGORY_CODES], axis=1)
