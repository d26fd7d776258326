"""A fitted model as an ONNX graph: data that ONNX Runtime computes, never code that runs.

The graph takes the feature matrix, float64 (rows, features) named "features", and gives two
columns of float64 (rows, 1) in dollars: "price", and "spread", the expected size of its error.
Trees become the TreeEnsemble operator of ai.onnx.ml 5, whose thresholds and leaves keep double
precision. Leaves are added in scikit-learn's own order, so that tree models agree bit for bit.
"""

from __future__ import annotations

from functools import singledispatch
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
)
from sklearn.linear_model import Lasso, Ridge
from sklearn.tree import DecisionTreeRegressor

from housing_ml.errors import HousingError
from housing_ml.modelling.price_scale import SAME

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler

    from housing_ml.modelling.price_scale import PriceScale

_OPSETS = [helper.make_opsetid("", 21), helper.make_opsetid("ai.onnx.ml", 5)]
_IR_VERSION = 10
_AVERAGE, _SUM = 0, 1


class ExportError(HousingError, TypeError):
    """A model of a kind that has no ONNX form here."""


class Tree(NamedTuple):
    """One regression tree; a row goes left where its feature is at most the threshold.

    Arrays of shape (nodes,), the root first: int64 `feature`, float64 `threshold`, int64 `left`
    and `right` (positions of the children), float64 `value` in dollars, and bool `leaf`.
    """

    feature: NDArray[np.int64]
    threshold: NDArray[np.float64]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    value: NDArray[np.float64]
    leaf: NDArray[np.bool_]


def to_onnx(
    model: Pipeline,
    spread: HistGradientBoostingRegressor,
    minimum_root: float,
    scale: PriceScale = SAME,
) -> bytes:
    """Return the serialised graph of a fitted price model and a fitted model of its spread.

    Args:
        model: the pipeline's steps after the features: "model", with "scale" before it or not.
        spread: model of the square root of the spread, on the same features and the price.
        minimum_root: root of the least spread in dollars; a smaller one is raised to it.
        scale: what the spread is multiplied with, by price.

    Raises:
        ExportError: when the price model is none that `housing_ml.modelling.models` builds.
    """
    nodes = [
        *_price_nodes(model),
        helper.make_node("Concat", ["features", "price"], ["known"], axis=1),
        _ensemble_node(_boosted_trees(spread), "known", "raw_root", _SUM),
        helper.make_node("Constant", [], ["minimum_root"], value=_tensor([[minimum_root]])),
        helper.make_node("Max", ["raw_root", "minimum_root"], ["root"]),
        helper.make_node("Mul", ["root", "root"], ["square"]),
        _ensemble_node([_scale_tree(scale)], "price", "price_scale", _SUM),
        helper.make_node("Mul", ["square", "price_scale"], ["spread"]),
    ]
    graph = helper.make_graph(
        nodes,
        "housing",
        [_column("features", model["model"].n_features_in_)],
        [_column("price", 1), _column("spread", 1)],
    )
    proto: ModelProto = helper.make_model(graph, opset_imports=_OPSETS, ir_version=_IR_VERSION)
    content: bytes = proto.SerializeToString(deterministic=True)
    return content


def _price_nodes(model: Pipeline) -> list[NodeProto]:
    fitted = model["model"]
    if isinstance(fitted, (Ridge, Lasso)):
        return _linear_nodes(fitted, model["scale"] if "scale" in model.named_steps else None)
    if isinstance(fitted, HistGradientBoostingRegressor):
        return [_ensemble_node(_boosted_trees(fitted), "features", "price", _SUM)]
    # scikit-learn's other trees round the features to float32 before they compare.
    single = helper.make_node("Cast", ["features"], ["rounded"], to=TensorProto.FLOAT)
    double = helper.make_node("Cast", ["rounded"], ["inputs"], to=TensorProto.DOUBLE)
    aggregate = _SUM if isinstance(fitted, GradientBoostingRegressor) else _AVERAGE
    return [single, double, _ensemble_node(trees(fitted), "inputs", "price", aggregate)]


@singledispatch
def trees(model: object) -> list[Tree]:
    """Return the trees of a fitted model; a constant added first is in the first tree."""
    raise ExportError(f"{type(model).__name__} has no ONNX form here")


@trees.register
def _(model: DecisionTreeRegressor) -> list[Tree]:
    return [_tree(model)]


@trees.register(RandomForestRegressor)
@trees.register(ExtraTreesRegressor)
def _(model: RandomForestRegressor | ExtraTreesRegressor) -> list[Tree]:
    return [_tree(member) for member in model.estimators_]


@trees.register
def _(model: GradientBoostingRegressor) -> list[Tree]:
    members = [_tree(member, model.learning_rate) for member in model.estimators_.ravel()]
    return _with_constant(members, model.init_.constant_.item())


@trees.register
def _boosted_trees(model: HistGradientBoostingRegressor) -> list[Tree]:
    members = [_histogram_tree(stage[0].nodes) for stage in model._predictors]  # noqa: SLF001 - scikit-learn has no public view of these trees
    return _with_constant(members, model._baseline_prediction.item())  # noqa: SLF001


def _tree(model: DecisionTreeRegressor, scale: float = 1.0) -> Tree:
    fitted = model.tree_
    return Tree(
        feature=fitted.feature,
        threshold=fitted.threshold,
        left=fitted.children_left,
        right=fitted.children_right,
        value=scale * fitted.value.ravel(),
        leaf=fitted.children_left < 0,
    )


def _histogram_tree(nodes: NDArray[Any]) -> Tree:
    return Tree(
        feature=nodes["feature_idx"].astype(np.int64),
        threshold=nodes["num_threshold"],
        left=nodes["left"].astype(np.int64),
        right=nodes["right"].astype(np.int64),
        value=nodes["value"],
        leaf=nodes["is_leaf"].astype(np.bool_),
    )


def _scale_tree(scale: PriceScale) -> Tree:
    """Return a tree of the price alone: its edges from the least on, each to a leaf or beyond."""
    edges = len(scale.edges)
    number = np.arange(2 * edges + 1)
    leaf = (number % 2 == 1) | (number == 2 * edges)
    threshold, value = np.zeros(len(number)), np.zeros(len(number))
    threshold[~leaf], value[leaf] = scale.edges, scale.factors
    return Tree(
        feature=np.zeros(len(number), dtype=np.int64),
        threshold=threshold,
        left=np.where(leaf, -1, number + 1),
        right=np.where(leaf, -1, number + 2),
        value=value,
        leaf=leaf,
    )


def _with_constant(members: list[Tree], constant: float) -> list[Tree]:
    first, *rest = members
    return [first._replace(value=constant + first.value), *rest]


def _ensemble_node(members: list[Tree], source: str, out: str, aggregate: int) -> NodeProto:
    splits, leaves = 0, 0
    parts: list[dict[str, NDArray[Any]]] = []
    for tree in map(_with_split, members):
        parts.append(_attributes(tree, splits, leaves))
        splits += len(parts[-1]["nodes_featureids"])
        leaves += len(parts[-1]["leaf_weights"])
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    attributes: dict[str, Any] = {
        "aggregate_function": aggregate,
        "n_targets": 1,
        "nodes_modes": _tensor(np.zeros(splits, dtype=np.uint8)),  # all go left at <= threshold
        "leaf_targetids": [0] * leaves,
        **{name: _attribute(values) for name, values in joined.items()},
    }
    return helper.make_node("TreeEnsemble", [source], [out], domain="ai.onnx.ml", **attributes)


def _with_split(tree: Tree) -> Tree:
    """Give a tree that is one leaf a split whose branches both lead to a leaf of its value."""
    if not tree.leaf[0]:
        return tree
    return Tree(
        feature=np.zeros(3, dtype=np.int64),
        threshold=np.zeros(3),
        left=np.array([1, -1, -1]),
        right=np.array([2, -1, -1]),
        value=np.repeat(tree.value[0], 3),
        leaf=np.array([False, True, True]),
    )


def _attributes(tree: Tree, splits: int, leaves: int) -> dict[str, NDArray[Any]]:
    """Return a tree's node attributes, numbered on from the splits and leaves before it."""
    inner = ~tree.leaf
    position = np.where(tree.leaf, leaves - 1 + np.cumsum(tree.leaf), splits - 1 + np.cumsum(inner))
    left, right = tree.left[inner], tree.right[inner]
    return {
        "tree_roots": np.array([splits]),
        "nodes_featureids": tree.feature[inner],
        "nodes_splits": tree.threshold[inner],
        "nodes_truenodeids": position[left],
        "nodes_trueleafs": tree.leaf[left],
        "nodes_falsenodeids": position[right],
        "nodes_falseleafs": tree.leaf[right],
        "leaf_weights": tree.value[tree.leaf],
    }


def _attribute(values: NDArray[Any]) -> TensorProto | list[int]:
    if values.dtype == np.float64:
        return _tensor(values)
    integers: list[int] = values.astype(np.int64).tolist()
    return integers


def _linear_nodes(model: Ridge | Lasso, scaler: StandardScaler | None) -> list[NodeProto]:
    """Return the nodes of (features - mean) @ weights + intercept, the scaler folded in."""
    mean = np.zeros_like(model.coef_) if scaler is None else scaler.mean_
    weights = model.coef_ if scaler is None else model.coef_ / scaler.scale_
    constants = {
        "mean": mean,
        "weights": weights[:, np.newaxis],
        "intercept": np.array([float(model.intercept_)]),
    }
    return [
        *(
            helper.make_node("Constant", [], [name], value=_tensor(value))
            for name, value in constants.items()
        ),
        helper.make_node("Sub", ["features", "mean"], ["centred"]),
        helper.make_node("MatMul", ["centred", "weights"], ["product"]),
        helper.make_node("Add", ["product", "intercept"], ["price"]),
    ]


def _tensor(values: Any) -> TensorProto:
    return numpy_helper.from_array(np.ascontiguousarray(values))


def _column(name: str, width: int) -> Any:
    return helper.make_tensor_value_info(name, TensorProto.DOUBLE, ["rows", width])
