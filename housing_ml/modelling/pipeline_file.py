"""The fitted scikit-learn pipeline as bytes that cannot run code: skops in place of pickle."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import skops.io

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

TRUSTED_TYPES = (
    "housing_ml.features.HousingFeatures",
    "housing_ml.features.imputation.fit_mean",
    "housing_ml.features.imputation.fit_median",
    "housing_ml.features.imputation.fit_neighbours",
    "housing_ml.modelling.imputers.fit_forest",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.tree._tree.Tree",
)
"""What our pipelines hold beyond scikit-learn's plain types. A constant of the code: a list that
came with the file would trust whatever the file holds."""


def pipeline_to_bytes(pipeline: Pipeline) -> bytes:
    """Return the fitted pipeline as skops bytes."""
    return cast("bytes", skops.io.dumps(pipeline))


def pipeline_from_bytes(content: bytes) -> Pipeline:
    """Return the pipeline; it predicts what the original one predicts.

    Raises:
        skops.io.exceptions.UntrustedTypesFoundException: when it holds a type of no pipeline.
    """
    return cast("Pipeline", skops.io.loads(content, trusted=list(TRUSTED_TYPES)))
