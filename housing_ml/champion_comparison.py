"""The candidate against the champion on the same held-out rows."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from housing_ml.bundle import Bundle
from housing_ml.manifest import BundleError
from housing_ml.metrics import Bootstrap, paired_bootstrap
from housing_ml.releases import ReleaseError, fetch_bundle, predictions_name

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from housing_ml.config import GateConfig
    from housing_ml.contract import Matrix
    from housing_ml.metrics import PairedDifference
    from housing_ml.releases import ReleaseStorage


def champion_prices(
    identity: pd.Series[int], raw: Matrix, digest: str, releases: ReleaseStorage
) -> NDArray[np.float64]:
    """Return the champion's prices in dollars, (rows,), NaN where it has none.

    The champion predicts the rows again. One whose feature code is gone cannot: then its published
    predictions count, for the rows that are still held out.

    Args:
        identity: uint64 hash of each held-out row, (rows,).
        raw: the same rows, (rows, 9).
        digest: the champion's bundle.
        releases: where the champion is published.
    """
    try:
        return Bundle(fetch_bundle(releases, digest)).predict(raw)
    except (BundleError, ReleaseError):
        published = published_predictions(releases, digest)
    if published is None:
        return np.full(len(raw), np.nan)
    prices = published.set_index("identity")["predicted"]
    return prices.reindex(identity).to_numpy(dtype=np.float64)


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


def published_predictions(releases: ReleaseStorage, digest: str) -> pd.DataFrame | None:
    """Return identity hash, actual and predicted price of a bundle's own holdout, by row."""
    found = releases.read(predictions_name(digest))
    return None if found is None else pd.read_parquet(io.BytesIO(found.content))
