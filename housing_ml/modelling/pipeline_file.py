"""The fitted scikit-learn pipeline as bytes that cannot run code: skops in place of pickle."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

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

_OURS = f"{__name__.partition('.')[0]}."


def pipeline_to_bytes(pipeline: Pipeline) -> bytes:
    """Return the fitted pipeline as skops bytes."""
    import skops.io  # noqa: PLC0415 - takes seconds: it loads all that scikit-learn has

    return cast("bytes", skops.io.dumps(pipeline))


def pipeline_from_bytes(content: bytes) -> Pipeline:
    """Return the pipeline; it predicts what the original one predicts.

    Raises:
        PipelineError: when another version of this package, or a newer skops, wrote it.
        skops.io.exceptions.UntrustedTypesFoundException: when it holds a type of no pipeline.
    """
    import skops.io  # noqa: PLC0415 - the same
    from skops.io.exceptions import UntrustedTypesFoundException  # noqa: PLC0415 - the same

    try:
        strange = {*skops.io.get_untrusted_types(data=content)} - {*TRUSTED_TYPES}
        others = sorted(name for name in strange if name.startswith(_OURS))
        if not others:
            return cast("Pipeline", skops.io.loads(content, trusted=list(TRUSTED_TYPES)))
    except UntrustedTypesFoundException:
        raise
    except Exception as error:  # a class that has changed can fail in any way
        raise _of_another_version(f"{type(error).__name__}: {error}") from error
    raise _of_another_version(f"it holds {', '.join(others)}")


def _of_another_version(why: str) -> PipelineError:
    return PipelineError(
        f"the pipeline cannot be read here ({why}): another version of this package or of skops "
        "wrote it; train again with `housing retrain`; the bundle beside it is served as it is"
    )
