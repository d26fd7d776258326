"""A bundle made to harm reads no other file, takes no memory, and is refused with a reason."""

from __future__ import annotations

import json
import resource
import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from housing_ml.bundle.manifest import BundleError, Provenance, sha256
from housing_ml.bundle.model import FEATURES, GOLDEN, MODEL, Bundle
from housing_ml.config.choices import FeatureParameters
from housing_ml.config.modelling import TrainingConfig
from housing_ml.data.contract import TARGET, to_matrix
from tests.once import train_once

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

MEGABYTES = 64
"""Memory that a refusal may take."""


@pytest.fixture(scope="module")
def honest(housing_frame: pd.DataFrame, pytestconfig: pytest.Config) -> Bundle:
    rows = housing_frame.sample(600, random_state=0)
    return train_once(
        pytestconfig.cache,
        to_matrix(rows),
        rows[TARGET].to_numpy(),
        FeatureParameters(imputer="median", clusters=2),
        "histogram_gradient_boosting",
        {"max_iter": 3},
        TrainingConfig(folds=2),
        Provenance(data_digest="d" * 64, rows=len(rows), synthetic=False),
    ).bundle


def refused(honest: Bundle, name: str, content: bytes) -> str:
    """Why a bundle with this file, its digests in order, is refused."""
    files = {**honest.files(), name: content}
    digests = {**honest.manifest.files, name: sha256(content)}
    files["manifest.json"] = honest.manifest.sealed(digests).to_json()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(BundleError) as caught:
        Bundle(files)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1024 * MEGABYTES
    return str(caught.value)


def graph(honest: Bundle, weight: TensorProto | None, nodes: list[Any] | None = None) -> bytes:
    """The honest model's inputs and outputs around a product with a hostile weight."""
    model = onnx.load_from_string(honest.files()[MODEL])
    given = model.graph.input[0]
    nodes = [*(nodes or []), helper.make_node("MatMul", [given.name, "weight"], ["price"])]
    made = helper.make_graph(
        nodes, "hostile", [given], [model.graph.output[0]], [weight] if weight else []
    )
    hostile = helper.make_model(made, opset_imports=model.opset_import, ir_version=model.ir_version)
    return bytes(hostile.SerializeToString())


def tensor(*shape: int) -> TensorProto:
    found = TensorProto()
    found.name, found.data_type = "weight", TensorProto.DOUBLE
    found.dims.extend(shape)
    return found


@pytest.mark.parametrize("place", ["secret.bin", "../secret.bin", "absolute", "/dev/zero"])
def test_a_model_reads_no_file_beside_it(
    honest: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    (tmp_path / "secret.bin").write_bytes(np.ones(64).tobytes())
    (tmp_path / "inside").mkdir()
    monkeypatch.chdir(tmp_path / "inside" if place.startswith("..") else tmp_path)
    outside = tensor(64, 1)
    outside.data_location = TensorProto.EXTERNAL
    where = str(tmp_path / "secret.bin") if place == "absolute" else place
    for key, value in (("location", where), ("offset", "0"), ("length", "512")):
        entry = outside.external_data.add()
        entry.key, entry.value = key, value
    refused(honest, MODEL, graph(honest, outside))


@pytest.mark.parametrize("rows", [1 << 40, 1 << 62])
@pytest.mark.parametrize("data", [b"", b"\0" * 64])
def test_a_model_with_weights_larger_than_its_file_is_refused(
    honest: Bundle, rows: int, data: bytes
) -> None:
    huge = tensor(64, rows)
    huge.raw_data = data
    refused(honest, MODEL, graph(honest, huge))


def test_a_model_that_makes_a_terabyte_of_weights_is_refused(honest: Bundle) -> None:
    shape = numpy_helper.from_array(np.array([64, 1 << 36]), "shape")
    nodes = [
        helper.make_node("Constant", [], ["shape"], value=shape),
        helper.make_node("ConstantOfShape", ["shape"], ["weight"]),
    ]
    refused(honest, MODEL, graph(honest, None, nodes))


def header(document: object, data: bytes = b"", *, length: int | None = None) -> bytes:
    """A file of safetensors: the length of its header, the header, the data."""
    text = document if isinstance(document, bytes) else json.dumps(document).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def described(**changes: Any) -> dict[str, Any]:
    return {"raw": {"dtype": "F64", "shape": [1], "data_offsets": [0, 8], **changes}}


@pytest.mark.parametrize("name", [FEATURES, GOLDEN])
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 7,
        header({}, length=1 << 63),
        header({}, length=(1 << 64) - 1),
        header({}, length=100_000_001),
        header(b"{" * 1000),
        header(b'{"raw":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
        header(described(), b"\0" * 7),
        header(described(), b"\0" * 9),
        header(described(shape=[1 << 62]), b"\0" * 8),
        header(described(shape=[1 << 32, 1 << 32]), b"\0" * 8),
        header(described(shape=[-1]), b"\0" * 8),
        header(described(data_offsets=[8, 0]), b"\0" * 8),
        header(described(data_offsets=[0, 1 << 62]), b"\0" * 8),
        header(described(data_offsets=[4, 12]), b"\0" * 12),
        header(described(dtype="PICKLE"), b"\0" * 8),
        header({**described(), "price": described()["raw"]}, b"\0" * 8),
    ],
    ids=lambda content: f"{len(content)} bytes, {content[8:40]!r}",
)
def test_arrays_whose_header_lies_are_refused(honest: Bundle, name: str, content: bytes) -> None:
    refused(honest, name, content)


def test_what_is_refused_here_has_digests_in_order(honest: Bundle) -> None:
    assert "digest" not in refused(honest, MODEL, b"no graph")
