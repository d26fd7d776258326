"""Bundles that prove themselves and go wrong in service, as a bad release does.

Each computes what its golden rows say, which are all dear; a cheap block group springs the trap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from housing_ml.bundle.model import MODEL, Bundle, Golden, bounded
from housing_ml.bundle.reference import REFERENCE, read_reference

if TYPE_CHECKING:
    from collections.abc import Sequence

CHEAP = 150_000.0
"""Dollars below which the trap is sprung."""

_MATRIX = 192


def twice_the_price(bundle: Bundle) -> Bundle:
    """A model whose prices are twice those of `bundle`."""
    nodes = [_constant("factor", np.array(2.0)), _node("Mul", ["trap_price", "factor"], "price")]
    return _changed(bundle, nodes, bundle.golden.raw)


def raising(bundle: Bundle) -> Bundle:
    """A model that raises: it looks up what is not there."""
    nodes = [
        *_sprung(),
        _constant("table", np.zeros(1)),
        _node("Gather", ["table", "sprung"], "nothing"),
        _node("Add", ["trap_price", "nothing"], "price"),
    ]
    return _changed(bundle, nodes, _dear(bundle))


def slow(bundle: Bundle, turns: int = 400) -> Bundle:
    """A model that multiplies matrices, about 1 ms for each turn, before it answers."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go_on"], ["still_go_on"]),
            helper.make_node("MatMul", ["matrix", "matrix"], ["product"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            _square("matrix"),
        ],
        [helper.make_tensor_value_info("still_go_on", TensorProto.BOOL, []), _square("product")],
    )
    nodes = [
        *_sprung(),
        _constant("turns", np.array(turns)),
        _node("Mul", ["sprung", "turns"], "count"),
        _constant("always", np.array(True)),  # noqa: FBT003 - an array of one truth
        _constant("unit", np.eye(_MATRIX)),
        helper.make_node("Loop", ["count", "always", "unit"], ["last"], body=body),
        _node("ReduceMin", ["last"], "nothing", keepdims=0),  # of a unit matrix: 0
        _node("Add", ["trap_price", "nothing"], "price"),
    ]
    return _changed(bundle, nodes, _dear(bundle))


def hanging(bundle: Bundle) -> Bundle:
    """A model that does not come back while a test lasts."""
    return slow(bundle, turns=10**9)


def _dear(bundle: Bundle) -> Any:
    return bundle.golden.raw[bundle.golden.price > CHEAP * 1.01]


def _changed(bundle: Bundle, nodes: Sequence[onnx.NodeProto], golden: Any) -> Bundle:
    """The bundle with nodes that make its price from `trap_price`, and golden rows to fit."""
    model = onnx.load_from_string(bundle.files()[MODEL])
    for node in model.graph.node:
        renamed = ["trap_price" if name == "price" else name for name in node.output]
        node.output[:] = renamed
    model.graph.node.extend(nodes)
    content = model.SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    price, spread = session.run(None, {"features": bundle.features.transform(golden)})
    expected = bounded(price[:, 0], spread[:, 0], bundle.manifest)
    return Bundle.assemble(
        bundle.manifest,
        bundle.features,
        content,
        Golden(golden, *expected),
        read_reference(bundle.files()[REFERENCE]),
    )


def _sprung() -> list[onnx.NodeProto]:
    """Nodes that give `sprung`: int64 1 when any row is cheap, else 0."""
    return [
        _constant("cheap", np.array(CHEAP)),
        _node("ReduceMin", ["trap_price"], "cheapest", keepdims=0),
        _node("Less", ["cheapest", "cheap"], "is_cheap"),
        _node("Cast", ["is_cheap"], "sprung", to=TensorProto.INT64),
    ]


def _node(kind: str, inputs: list[str], output: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(kind, inputs, [output], **attributes)


def _constant(name: str, value: Any) -> onnx.NodeProto:
    return helper.make_node("Constant", [], [name], value=numpy_helper.from_array(value))


def _square(name: str) -> Any:
    return helper.make_tensor_value_info(name, TensorProto.DOUBLE, [_MATRIX, _MATRIX])
