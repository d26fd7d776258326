"""A pipeline is loaded as it was, or a sentence says what to do with that of another version."""

from __future__ import annotations

import io
import json
import zipfile
from typing import TYPE_CHECKING

import numpy as np
import pytest

from housing_ml.config.choices import FeatureParameters
from housing_ml.data.contract import TARGET, to_matrix
from housing_ml.modelling.models import build_pipeline
from housing_ml.modelling.pipeline_file import (
    PipelineError,
    pipeline_from_bytes,
    pipeline_to_bytes,
)

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.pipeline import Pipeline

    from housing_ml.data.contract import Matrix


@pytest.fixture(scope="module")
def raw(housing_frame: pd.DataFrame) -> Matrix:
    return to_matrix(housing_frame[:600])


@pytest.fixture(scope="module")
def pipeline(raw: Matrix, housing_frame: pd.DataFrame) -> Pipeline:
    features = FeatureParameters(imputer="median", clusters=0)
    made = build_pipeline(features, "ridge", {}, 1)
    return made.fit(raw, housing_frame[TARGET].to_numpy()[:600])


def rewritten(content: bytes, old: str, new: str) -> bytes:
    """The file as a version would have written it that calls something else."""
    target = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as source,
        zipfile.ZipFile(target, "w") as changed,
    ):
        for name in source.namelist():
            part = source.read(name)
            if name == "schema.json":
                assert old.encode() in part
                part = part.replace(old.encode(), new.encode())
                json.loads(part)
            changed.writestr(name, part)
    return target.getvalue()


def test_a_pipeline_predicts_what_it_did_before_it_was_kept(
    pipeline: Pipeline, raw: Matrix
) -> None:
    kept = pipeline_from_bytes(pipeline_to_bytes(pipeline))
    np.testing.assert_array_equal(kept.predict(raw), pipeline.predict(raw))


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("housing_ml.features.imputation", "housing_ml.imputation", "housing_ml.imputation.fit_"),
        ('"protocol": ', '"protocol": 99', "protocol"),
    ],
)
def test_of_a_pipeline_of_another_version_a_sentence_says_what_to_do(
    pipeline: Pipeline, old: str, new: str, named: str
) -> None:
    content = rewritten(pipeline_to_bytes(pipeline), old, new)
    with pytest.raises(PipelineError, match="train again with `housing retrain`") as told:
        pipeline_from_bytes(content)
    assert named in str(told.value)


def test_a_type_of_no_pipeline_is_not_trusted(pipeline: Pipeline) -> None:
    from skops.io.exceptions import UntrustedTypesFoundException  # noqa: PLC0415 - takes seconds

    content = rewritten(pipeline_to_bytes(pipeline), "housing_ml.features.imputation", "posix")
    with pytest.raises(UntrustedTypesFoundException, match="posix"):
        pipeline_from_bytes(content)
