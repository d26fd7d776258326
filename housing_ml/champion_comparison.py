"""The candidate against the champion on the same held-out rows."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pandas as pd

from housing_ml.bundle import Bundle
from housing_ml.manifest import BundleError
from housing_ml.metrics import Bootstrap, paired_bootstrap
from housing_ml.releases import ReleaseError, fetch_bundle

if TYPE_CHECKING:
    from housing_ml.config import GateConfig
    from housing_ml.contract import Matrix
    from housing_ml.metrics import PairedDifference
    from housing_ml.releases import ReleaseStorage


def predictions_name(digest: str) -> str:
    """Return the name in the releases of a bundle's predictions for its own holdout."""
    return f"predictions/{digest}.parquet"


def compare_with_champion(
    candidate: pd.DataFrame, raw: Matrix, digest: str, releases: ReleaseStorage, config: GateConfig
) -> PairedDifference | None:
    """Return the difference in wMAPE, or None where the champion has no prediction for any row.

    The champion predicts the rows again. One whose feature code is gone cannot: then its published
    predictions count, for the rows that are still held out.

    Args:
        candidate: identity (uint64 hash), actual and predicted price in dollars by held-out row.
        raw: the same rows, (rows, 9).
        digest: the champion's bundle.
        releases: where the champion is published.
        config: confidence and samples of the bootstrap.
    """
    champion = _predict_again(candidate, raw, digest, releases)
    if champion is None:
        champion = _published(digest, releases)
    if champion is None:
        return None
    rows = candidate.merge(champion, on="identity", how="inner")
    if rows.empty:
        return None
    return paired_bootstrap(
        rows["actual"].to_numpy(),
        rows["predicted"].to_numpy(),
        rows["champion"].to_numpy(),
        Bootstrap(samples=config.bootstrap_samples, confidence=config.confidence),
    )


def _predict_again(
    candidate: pd.DataFrame, raw: Matrix, digest: str, releases: ReleaseStorage
) -> pd.DataFrame | None:
    try:
        price = Bundle(fetch_bundle(releases, digest)).predict(raw)
    except (BundleError, ReleaseError):
        return None
    return pd.DataFrame({"identity": candidate["identity"], "champion": price})


def _published(digest: str, releases: ReleaseStorage) -> pd.DataFrame | None:
    found = releases.read(predictions_name(digest))
    if found is None:
        return None
    frame = pd.read_parquet(io.BytesIO(found.content), columns=["identity", "predicted"])
    return frame.rename(columns={"predicted": "champion"})
