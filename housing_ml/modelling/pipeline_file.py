"""The fitted scikit-learn pipeline as bytes that cannot run code: skops in place of pickle."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import skops.io

from housing_ml.errors import HousingError

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline


class PipelineError(HousingError, RuntimeError):
    """A pipeline that cannot be read; the message says what to do."""


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
        PipelineError: when another version of this package wrote it.
        skops.io.exceptions.UntrustedTypesFoundException: when it holds a type of no pipeline.
    """
    ours = f"{__name__.partition('.')[0]}."
    strange = {*skops.io.get_untrusted_types(data=content)} - {*TRUSTED_TYPES}
    if others := sorted(name for name in strange if name.startswith(ours)):
        raise PipelineError(
            f"another version of this package wrote the pipeline (it holds {', '.join(others)}): "
            "train again with `housing retrain`; the bundle beside it is served as it is"
        )
    return cast("Pipeline", skops.io.loads(content, trusted=list(TRUSTED_TYPES)))
