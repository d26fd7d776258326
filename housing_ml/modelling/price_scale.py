"""A factor by predicted price that makes the coverage of an interval the same at every price.

The spread model knows the price, but learns a mean: it is not told how heavy the tails are, nor
that no price lies above the cap. Bands of the price alone (Mondrian conformal prediction) would
mend that with as many quantiles as bands, each of few rows. Here each step's quantile is of the
rows around it too, weighted by their distance in rank (Guan, Localized conformal prediction, 2023).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_STEPS = 20

_REACH = 0.15
"""Share of the rows on each side that has a say in a step's factor."""

_FEW = 300
"""Rows that pull a factor towards that of all rows; fewer have one factor."""


class PriceScale(NamedTuple):
    """Factors (steps,) by price, each up to its edge, in dollars, and the last beyond them all."""

    edges: NDArray[np.float64]
    factors: NDArray[np.float64]

    def __call__(self, price: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the factor of each price in dollars, both float64 (rows,)."""
        found: NDArray[np.float64] = self.factors[np.searchsorted(self.edges, price)]
        return found


SAME = PriceScale(np.empty(0), np.ones(1))
"""The factor 1 for all prices."""


def scale_by_price(
    price: NDArray[np.float64], needed: NDArray[np.float64], level: float
) -> PriceScale:
    """Return by how much to scale the intervals, by price, so that each price is covered alike.

    Args:
        price: predicted prices in dollars, float64 (rows,).
        needed: by how much each row's interval must be scaled to reach its actual price.
        level: the share of rows that are to be reached.
    """
    count = len(price)
    order = np.argsort(price, kind="stable")
    rank = (np.arange(count) + 0.5) / count
    ascending = np.argsort(needed[order], kind="stable")
    reached, place = needed[order][ascending], rank[ascending]
    of_all = reached[int(level * (count - 1))]
    if count < _FEW:
        return PriceScale(np.empty(0), np.array([of_all]))
    factors = np.empty(_STEPS)
    for step in range(_STEPS):
        weight = np.maximum(1 - np.abs(place - (step + 0.5) / _STEPS) / _REACH, 0)
        total = np.cumsum(weight)
        rows = total[-1] ** 2 / np.square(weight).sum()
        local = reached[np.searchsorted(total, level * total[-1])]
        factors[step] = (rows * local + _FEW * of_all) / (rows + _FEW)
    edges = price[order][count * np.arange(1, _STEPS) // _STEPS]
    return PriceScale(edges, factors)
