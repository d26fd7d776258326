"""How much a row's price counts in the fit: less where it was carried along with others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

WEIGHT = "weight"
"""Column of the weights, where prices were carried along; a price that was paid has weight 1."""


def weights_of(frame: pd.DataFrame) -> NDArray[np.float64] | None:
    """Return the weights of rows, float64 (rows,) in (0, 1]; None where all count alike."""
    if WEIGHT not in frame:
        return None
    found = frame[WEIGHT].to_numpy(dtype=np.float64)
    return None if (found == 1).all() else found
