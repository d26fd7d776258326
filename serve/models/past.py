"""A price of the past explained by the version that gave it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from housing_ml.bundle.manifest import BundleError
from housing_ml.bundle.model import Bundle, Prediction
from housing_ml.data.contract import to_matrix
from housing_ml.releases.channels import fetch_bundle, find_release, read_channels
from housing_ml.storage.errors import ReleaseError
from serve.models.explanation import explained
from serve.schemas import PastPrediction

if TYPE_CHECKING:
    from housing_ml.feedback.lookup import LoggedPrediction
    from housing_ml.storage.versioned import ReleaseStorage


def with_reasons(storage: ReleaseStorage, found: LoggedPrediction) -> PastPrediction:
    """Return a logged prediction with its reasons, where its model is still kept and read here."""
    said = msgspec.structs.asdict(found)
    try:
        bundle = Bundle(fetch_bundle(storage, _digest(storage, found.model_version)))
    except (BundleError, ReleaseError):
        return PastPrediction(
            **said, at_least=None, base_price=None, contributions=None, comparables=None
        )
    (why,) = explained(bundle, to_matrix({name: [value] for name, value in found.row.items()}))
    return PastPrediction(
        **said,
        at_least=_is_open(bundle, found),
        base_price=why.base_price,
        contributions=why.contributions,
        comparables=why.comparables,
    )


def _is_open(bundle: Bundle, found: LoggedPrediction) -> bool:
    said = (found.predicted_price, found.lower, found.upper)
    return bool(bundle.is_open(Prediction(*np.array(said)[:, np.newaxis]))[0])


def _digest(storage: ReleaseStorage, version: str) -> str:
    """Return the digest of a version's bundle: of one in a channel, else of any published."""
    channels, _ = read_channels(storage)
    now = {release.version: release.bundle for release in channels.channels.values()}
    return now.get(version) or find_release(storage, version).bundle
