"""Of many rows a sample, where a comparison ranks the same by fewer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from housing_ml.data.contract import Matrix


def sampled(
    raw: Matrix, y: NDArray[np.float64], most: int, seed: int
) -> tuple[Matrix, NDArray[np.float64]]:
    """Return rows (n, 9) and prices (n,), or a sample of them in their order where n > `most`."""
    if len(raw) <= most:
        return raw, y
    drawn = sample(len(raw), most, seed)
    return raw[drawn], y[drawn]


def sample(count: int, most: int, seed: int) -> NDArray[np.intp]:
    """Return the numbers of all rows, or of a sample in their order where `count` > `most`."""
    if count <= most:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, most, replace=False))
