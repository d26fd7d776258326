"""What houses of the same kind cost nearby: statistics over the training rows that are most alike.

Each of the 24 nearest rows counts by its distance and by how it differs in income, age, size and
crowding. A line through their prices by income, and what they cost beyond others of their kind,
carry over to a row that is unlike them.

The scales were found on training rows, by the error of the weighted mean price. A row's statistics
are the same bit for bit alone and among others: its sums run along its own contiguous values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from housing_ml.features.kind import fit_kind, kind_prices, kind_terms

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from housing_ml.features.geography import Floats
    from housing_ml.features.kind import LeftOut

CROWD = 24
"""Nearest rows to choose from; fewer where the training rows are fewer."""

FALL = 2.4
"""Kilometres over which a weight falls to a third, by e."""

UNLIKE = np.array([0.25, 13.3, 0.15, 0.4])[:, np.newaxis]
"""The same for log income, years, log rooms and log persons per household."""

SLOPE = 160_000.0
"""Dollars per unit of log income, from which a place's own slope is learnt."""

SLOPE_WEIGHT = 0.02
"""Variance of log income among neighbours at which their own slope counts as much as `SLOPE`."""

_INCOME = float(UNLIKE[0, 0])
_BEFORE = SLOPE_WEIGHT / _INCOME**2 * np.array([[SLOPE * _INCOME], [1.0]])
"""What is known of covariance and variance before any neighbour is seen, (2, 1), scaled."""

NAMES = (
    "alike_price",
    "alike_price_beyond_kind",
    "alike_log_income_difference",
    "alike_price_spread",
    "alike_price_at_income",
    "price_of_kind",
    "alike_price_of_kind",
)


class Alike:
    """Training rows with their prices, ready to be weighted by how alike they are.

    Args:
        coefficients: float64 (33,), of the price of a kind, in dollars.
        values: float64 (6, n): price and what it is beyond that of its kind, both in dollars, then
            the attributes of `UNLIKE`.
    """

    def __init__(self, coefficients: Floats, values: Floats) -> None:
        self.coefficients = coefficients
        self.values = values
        self._scaled = np.vstack([values[:2], values[2:] / UNLIKE])

    @classmethod
    def fit(
        cls, filled: Floats, logs: Floats, attributes: Floats, prices: Floats
    ) -> tuple[Alike, LeftOut]:
        """Build from training rows (n, 9), their logs (n, 5), attributes (4, n), prices (n,).

        Returns:
            The object, and what `leave_one_out` needs of the rows.
        """
        coefficients, left_out = fit_kind(kind_terms(filled, logs), prices)
        return cls(coefficients, np.vstack([prices, left_out.residual, attributes])), left_out

    def statistics(
        self,
        distance: Floats,
        index: NDArray[np.integer[Any]],
        filled: Floats,
        logs: Floats,
        attributes: Floats,
    ) -> Floats:
        """Return float64 (n, 7), the columns of `NAMES`.

        Args:
            distance: kilometres to the nearest training rows, (n, k).
            index: numbers of those rows, (n, k).
            filled: the rows, (n, 9).
            logs: of the rows, (n, 5).
            attributes: of the rows, (4, n).
        """
        kind = kind_prices(kind_terms(filled, logs), self.coefficients)
        return _statistics(distance, self._taken(index), attributes, kind)

    def leave_one_out(
        self, distance: Floats, index: NDArray[np.integer[Any]], rows: slice, left_out: LeftOut
    ) -> Floats:
        """Return the statistics of some training rows, each without its own price.

        `distance` and `index` are those of `statistics`, without the row itself.
        """
        values = self._taken(index)
        values[4] = left_out.residuals(rows, index)
        return _statistics(distance, values, self.values[2:, rows], left_out.price[rows])

    def _taken(self, index: NDArray[np.integer[Any]]) -> Floats:
        """Return (9, n, k): room for three products, then the scaled values of the rows."""
        values = np.empty((9, *index.shape))
        np.take(self._scaled, index, axis=1, out=values[3:], mode="clip")
        return values

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the whole state."""
        return {"coefficients": self.coefficients, "values": self.values}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Alike:
        """Return the object whose `to_arrays` gave `arrays`."""
        return cls(arrays["coefficients"], arrays["values"])


def _statistics(distance: Floats, values: Floats, attributes: Floats, kind: Floats) -> Floats:
    """Compute from what `_taken` gives, which is overwritten; the prices (n,) of kinds in dollars.

    It works in place: fresh memory for so many numbers costs as much as their sums.
    """
    price, income = values[3], values[5]
    values[5:] -= (attributes / UNLIKE)[:, :, np.newaxis]
    np.multiply(price, price, out=values[0])
    np.multiply(price, income, out=values[1])
    np.multiply(income, income, out=values[2])
    weights = _weights(distance, values[5:])
    means = np.matmul(values[:6].transpose(1, 0, 2), weights[:, :, np.newaxis])[:, :, 0].T
    means /= np.add.reduce(weights, axis=-1)
    statistics = np.empty((len(distance), len(NAMES)))
    statistics[:, :3] = means[3:].T
    statistics[:, 2] *= _INCOME
    spread = means[0] - means[3] * means[3]
    np.sqrt(np.maximum(spread, 0.0, out=spread), out=statistics[:, 3])
    statistics[:, 4] = _price_at_income(means)
    statistics[:, 5] = kind
    np.add(kind, means[4], out=statistics[:, 6])
    return statistics


def _weights(distance: Floats, difference: Floats) -> Floats:
    """Return weights (n, k) from distances (n, k) and scaled differences (4, n, k)."""
    away = np.add.reduce(np.abs(difference))
    away += distance / FALL
    weights: Floats = np.exp(np.negative(away, out=away), out=away)
    weights += 1e-6  # leaves a plain mean where nobody is alike
    return weights


def _price_at_income(means: Floats) -> Floats:
    """Return what a line through the neighbours' prices says at a row's own income.

    `means` (6, n) are of the squared price, the price times the scaled difference of income, that
    difference squared, the price, the price beyond kind, and the difference.
    """
    price, difference = means[3], means[5]
    covariance, variance = means[1:3] - means[3::2] * difference + _BEFORE
    line: Floats = price - covariance / variance * difference
    return line
