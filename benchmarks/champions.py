"""Champions for the benchmarks: trained, published and promoted as the pipeline does it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from housing_ml.bundle.manifest import Provenance
from housing_ml.config.choices import FeatureParameters
from housing_ml.config.modelling import TrainingConfig
from housing_ml.data.contract import COLUMNS, TARGET, to_matrix
from housing_ml.modelling.training import train
from housing_ml.releases.channels import move_channels, publish_bundle, read_channels
from housing_ml.releases.records import Release, TrainingData, now
from housing_ml.storage.versioned import LocalReleases

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from housing_ml.bundle.model import Bundle


def train_bundle(frame: pd.DataFrame, seed: int) -> Bundle:
    """Return a boosted model with the pipeline's default parameters."""
    return train(
        to_matrix(frame),
        frame[TARGET].to_numpy(float),
        FeatureParameters(imputer="median"),
        "histogram_gradient_boosting",
        {},
        TrainingConfig(seed=seed),
        Provenance(data_digest="0" * 64, rows=len(frame), synthetic=True),
    ).bundle


def publish(home: Path, bundle: Bundle, version: str) -> Release:
    """Publish a bundle, for no channel yet."""
    publish_bundle(LocalReleases(home / "storage" / "releases"), bundle.digest, bundle.files())
    return Release(
        version=version,
        bundle=bundle.digest,
        model=bundle.manifest.model,
        metrics={},
        data=TrainingData(digest="0" * 64, rows=0, synthetic=True),
        promoted_at=now(),
        promoted_by="benchmark",
        reason="benchmark",
    )


def promote(home: Path, release: Release) -> None:
    """Make a release the champion."""
    storage = LocalReleases(home / "storage" / "releases")
    _, generation = read_channels(storage)
    move_channels(
        storage, lambda channels: channels | {"champion": release}, if_generation=generation
    )


def body(frame: pd.DataFrame, rows: int) -> bytes:
    """Return a request of the first complete block groups."""
    found = frame[list(COLUMNS)].dropna()[:rows].to_dict("records")
    return json.dumps({"instances": found}, separators=(",", ":")).encode()
