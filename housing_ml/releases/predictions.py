"""A release's prices of held-out rows: those it published, and those it gives when asked."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from housing_ml.bundle.manifest import BundleError
from housing_ml.bundle.model import Bundle
from housing_ml.bundle.reference import REFERENCE, read_reference
from housing_ml.data.contract import to_matrix
from housing_ml.data.split import identity_hash, is_held_out
from housing_ml.gate.traffic import Asked
from housing_ml.releases.channels import fetch_bundle
from housing_ml.storage.errors import ReleaseError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from housing_ml.data.contract import Matrix
    from housing_ml.records.gate import Baseline
    from housing_ml.storage.versioned import ReleaseStorage


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
        return Bundle(fetch_bundle(releases, digest)).predict_matrix(raw).price
    except (BundleError, ReleaseError):
        published = published_predictions(releases, digest)
    if published is None:
        return np.full(len(raw), np.nan)
    prices = published.set_index("identity")["predicted"]
    return prices.reindex(identity).to_numpy(dtype=np.float64)


def champion_on_traffic(
    logged: pd.DataFrame, champion: Baseline | None, releases: ReleaseStorage
) -> Asked:
    """Return logged rows, and what the champion makes of them.

    One whose bundle cannot be asked any more has the prices that it gave when it was.

    Args:
        logged: the rows, with the version that priced each and its price in dollars.
        champion: the model in service, if there is one.
        releases: where it is published.
    """
    raw = to_matrix(logged)
    nothing = np.full(len(raw), np.nan)
    if champion is None:
        return Asked(raw, nothing, None)
    try:
        bundle = Bundle(fetch_bundle(releases, champion.bundle))
    except (BundleError, ReleaseError):
        own = (logged["model_version"] == champion.version).to_numpy()
        return Asked(raw, np.where(own, logged["predicted_price"], nothing), None)
    warned = np.array([bool(found) for found in bundle.warnings_for(raw)])
    return Asked(raw, bundle.predict_matrix(raw).price, warned)


def only_unseen(
    frame: pd.DataFrame, prices: NDArray[np.float64], digest: str, releases: ReleaseStorage
) -> NDArray[np.float64]:
    """Return the prices (rows,) of a bundle, NaN for rows that it was trained on.

    They are some of those held out today where the split has changed. A bundle of before that does
    not tell how its rows were split has seen all but those whose prices it published.
    """
    found = releases.read(f"bundles/{digest}/{REFERENCE}")
    held_out = read_reference(found.content).held_out if found else None
    if held_out:
        unseen = is_held_out(frame, held_out.share, held_out.salt, held_out.by)
    elif (published := published_predictions(releases, digest)) is not None:
        unseen = np.isin(identity_hash(frame, salt=""), published["identity"])
    else:
        return prices
    return np.where(unseen, prices, np.nan)


def published_predictions(releases: ReleaseStorage, digest: str) -> pd.DataFrame | None:
    """Return identity hash, actual and predicted price of a bundle's own holdout, by row."""
    found = releases.read(predictions_name(digest))
    return None if found is None else pd.read_parquet(io.BytesIO(found.content))


def predictions_name(digest: str) -> str:
    """Return the name in the releases of a bundle's predictions for its own holdout."""
    return f"predictions/{digest}.parquet"
