"""The candidate against the champion on the same held-out rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from housing_ml.modelling.metrics import Bootstrap, paired_bootstrap

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from housing_ml.config.gate import GateConfig
    from housing_ml.records.metrics import PairedDifference


def compare(
    candidate: pd.DataFrame, champion: NDArray[np.float64], config: GateConfig
) -> PairedDifference | None:
    """Return the difference in wMAPE, or None where the champion has no price for any row.

    Args:
        candidate: actual and predicted price in dollars by held-out row.
        champion: its prices of the same rows, NaN where it has none.
        config: confidence and samples of the bootstrap.
    """
    both = np.isfinite(champion)
    if not both.any():
        return None
    return paired_bootstrap(
        candidate["actual"].to_numpy()[both],
        candidate["predicted"].to_numpy()[both],
        champion[both],
        Bootstrap(samples=config.bootstrap_samples, confidence=config.confidence),
    )
