"""The graph computes what scikit-learn computes, for every kind of model."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from housing_ml.modelling.models import DEFAULTS, estimator
from housing_ml.modelling.onnx_export import ExportError, to_onnx
from housing_ml.modelling.price_scale import PriceScale

if TYPE_CHECKING:
    from numpy.typing import NDArray

COLUMNS = 6
SMALL: dict[str, Any] = {
    "random_forest": {"n_estimators": 12, "n_jobs": 1},
    "extra_trees": {"n_estimators": 12, "n_jobs": 1},
    "gradient_boosting": {"n_estimators": 15},
    "histogram_gradient_boosting": {"max_iter": 25},
}
TREES = [model for model in DEFAULTS if model not in ("ridge", "lasso")]


def features(rows: int, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(size=(rows, COLUMNS)) * [1, 10, 1e-3, 1e5, 1, 1]


def prices(X: NDArray[np.float64]) -> NDArray[np.float64]:
    return 200_000 + 40_000 * np.sin(X[:, 0]) + 3_000 * X[:, 1] + 10_000 * (X[:, 4] > 0)


def fitted(model: str, X: NDArray[np.float64], y: NDArray[np.float64]) -> Pipeline:
    regressor = estimator(model, SMALL.get(model, {}), seed=0)  # type: ignore[arg-type]
    scale = [("scale", StandardScaler())] if model in ("ridge", "lasso") else []
    return Pipeline([*scale, ("model", regressor)]).fit(X, y)


def spread_model(X: NDArray[np.float64], y: NDArray[np.float64]) -> Any:
    parameters = {"max_iter": 10, "max_leaf_nodes": 8}
    regressor = estimator("histogram_gradient_boosting", parameters, seed=0)
    return regressor.fit(np.column_stack([X, y]), np.sqrt(np.abs(y - y.mean())))


def session(graph: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # several add up the trees in another order
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def run(graph: bytes, X: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    outputs = session(graph).run(["price", "spread"], {"features": X})
    return [output[:, 0] for output in outputs]


@pytest.fixture(scope="module")
def data() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    X = features(600)
    return X, prices(X)


@pytest.fixture(scope="module")
def graphs(
    data: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> dict[str, tuple[Pipeline, bytes]]:
    X, y = data
    models = {model: fitted(model, X, y) for model in DEFAULTS}
    spread = spread_model(X, y)
    return {model: (rest, to_onnx(rest, spread, 20.0)) for model, rest in models.items()}


@pytest.mark.parametrize("model", DEFAULTS)
def test_every_model_predicts_as_in_scikit_learn(
    model: str, graphs: dict[str, tuple[Pipeline, bytes]]
) -> None:
    rest, graph = graphs[model]
    X = np.vstack([features(600), features(600, seed=1)])
    np.testing.assert_allclose(run(graph, X)[0], rest.predict(X), rtol=1e-12)


@pytest.mark.parametrize("model", ["gradient_boosting", "histogram_gradient_boosting"])
def test_boosted_trees_agree_to_the_last_bit(
    model: str, graphs: dict[str, tuple[Pipeline, bytes]]
) -> None:
    rest, graph = graphs[model]
    X = features(600, seed=2)
    np.testing.assert_array_equal(run(graph, X)[0], rest.predict(X))


@pytest.mark.parametrize("model", DEFAULTS)
def test_one_row_has_the_price_that_it_has_among_many(
    model: str, graphs: dict[str, tuple[Pipeline, bytes]]
) -> None:
    runtime = session(graphs[model][1])
    X = features(150, seed=3)
    many = np.hstack(runtime.run(None, {"features": X}))
    single = [np.hstack(runtime.run(None, {"features": row})) for row in X[:, np.newaxis]]
    np.testing.assert_array_equal(np.vstack(single), many)


@pytest.mark.parametrize("model", TREES)
def test_values_on_a_threshold_and_beside_it_go_the_same_way(
    model: str, graphs: dict[str, tuple[Pipeline, bytes]]
) -> None:
    rest, graph = graphs[model]
    node = next(n for n in onnx.load_from_string(graph).graph.node if "price" in n.output)
    attributes = {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}
    thresholds = onnx.numpy_helper.to_array(attributes["nodes_splits"])
    X = np.resize(features(10), (3 * len(thresholds), COLUMNS))
    for place, (column, value) in enumerate(
        zip(attributes["nodes_featureids"], thresholds, strict=True)
    ):
        X[3 * place : 3 * place + 3, column] = np.nextafter(value, [-np.inf, value, np.inf])
    np.testing.assert_allclose(run(graph, X)[0], rest.predict(X), rtol=1e-12)


@pytest.mark.parametrize("model", TREES)
def test_trees_that_are_a_single_leaf_give_the_constant(model: str) -> None:
    X = features(50)
    rest = fitted(model, X, np.full(50, 180_000.0))
    price, spread = run(to_onnx(rest, spread_model(X, np.full(50, 1.0)), 20.0), X)
    np.testing.assert_allclose(price, 180_000, rtol=1e-12)
    assert (spread == 400).all()


def test_linear_models_need_no_scaler(
    data: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> None:
    X, y = data
    rest = Pipeline([("model", estimator("ridge", {}, seed=0))]).fit(X, y)
    price, _ = run(to_onnx(rest, spread_model(X, y), 20.0), X)
    np.testing.assert_allclose(price, rest.predict(X), rtol=1e-12)


def test_the_spread_is_raised_to_its_minimum(
    data: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> None:
    X, y = data
    model = spread_model(X, y)
    rest = fitted("histogram_gradient_boosting", X, y)
    root = model.predict(np.column_stack([X, rest.predict(X)]))
    minimum = float(np.median(root))
    _, spread = run(to_onnx(rest, model, minimum), X)
    np.testing.assert_array_equal(spread, np.square(np.maximum(root, minimum)))


def test_the_spread_is_scaled_by_price_also_where_a_step_ends(
    data: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> None:
    X, y = data
    rest, model = fitted("histogram_gradient_boosting", X, y), spread_model(X, y)
    price = rest.predict(X)
    edges = np.quantile(price, [0.25, 0.5, 0.75], method="nearest")
    scale = PriceScale(edges, np.array([0.5, 0.9, 1.1, 2.0]))
    root = model.predict(np.column_stack([X, price]))

    _, spread = run(to_onnx(rest, model, 20.0, scale), X)

    assert np.isin(edges, price).all()
    np.testing.assert_array_equal(spread, np.square(np.maximum(root, 20.0)) * scale(price))


def test_the_same_model_gives_the_same_bytes(
    data: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> None:
    X, y = data
    spread = spread_model(X, y)
    graphs = {to_onnx(fitted("random_forest", X, y), spread, 20.0) for _ in range(2)}
    assert len(graphs) == 1


def test_the_graph_is_valid_onnx(graphs: dict[str, tuple[Pipeline, bytes]]) -> None:
    for _, graph in graphs.values():
        onnx.checker.check_model(onnx.load_from_string(graph), full_check=True)


def test_another_kind_of_model_is_refused(
    data: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> None:
    X, y = data
    rest = Pipeline([("model", KNeighborsRegressor())]).fit(X, y)
    with pytest.raises(ExportError, match="KNeighborsRegressor"):
        to_onnx(rest, spread_model(X, y), 20.0)


@settings(max_examples=60, deadline=None)
@given(
    X=arrays(
        np.float64,
        (4, COLUMNS),
        elements=st.floats(-1e30, 1e30, allow_subnormal=True),
    )
)
def test_any_finite_features_agree(X: NDArray[np.float64]) -> None:
    rest, runtime = _histogram_model()
    price = runtime.run(["price"], {"features": X})[0][:, 0]
    np.testing.assert_array_equal(price, rest.predict(X))


@cache
def _histogram_model() -> tuple[Pipeline, Any]:
    X = features(300)
    rest = fitted("histogram_gradient_boosting", X, prices(X))
    return rest, session(to_onnx(rest, spread_model(X, prices(X)), 20.0))
