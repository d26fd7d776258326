"""A trained model: the bundle agrees with scikit-learn, repeats itself, and learns no leak."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from housing_ml.bundle.manifest import Provenance
from housing_ml.bundle.model import Bundle
from housing_ml.bundle.reference import PRICE, RATIO, rows_of
from housing_ml.config.choices import FeatureParameters, ModelName
from housing_ml.config.modelling import TrainingConfig
from housing_ml.data.contract import CATEGORIES, COLUMNS, TARGET, Matrix, to_matrix
from housing_ml.modelling import training
from housing_ml.modelling.golden_rows import ORDINARY
from housing_ml.modelling.training import TrainedModel, TrainingError, train
from tests.once import train_once

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    from numpy.typing import NDArray

FEATURES = FeatureParameters(imputer="median", clusters=5, seed=1)
PROVENANCE = Provenance(data_digest="d" * 64, rows=1200, synthetic=False)
SMALL: dict[str, Any] = {
    "random_forest": {"n_estimators": 8},
    "ridge": {},
    "histogram_gradient_boosting": {"max_iter": 60, "learning_rate": 0.1},
}


def chosen(model: ModelName, most_rows: int = 100_000) -> tuple[Any, ...]:
    """Return what `train` takes after rows and prices."""
    config = TrainingConfig(folds=3, seed=7, most_rows=most_rows)
    return FEATURES, model, SMALL[model], config, PROVENANCE


def trained(
    raw: Matrix,
    y: NDArray[np.float64],
    model: ModelName = "histogram_gradient_boosting",
    weights: NDArray[np.float64] | None = None,
    most_rows: int = 100_000,
) -> TrainedModel:
    return train(raw, y, *chosen(model, most_rows), weights=weights)


def trained_before(
    kept: pytest.Cache,
    raw: Matrix,
    y: NDArray[np.float64],
    model: ModelName = "histogram_gradient_boosting",
) -> TrainedModel:
    """Return what this or an earlier run of the tests trained, with the same code."""
    return train_once(kept, raw, y, *chosen(model))


def r2(actual: NDArray[np.float64], predicted: NDArray[np.float64]) -> float:
    return float(1 - np.square(actual - predicted).mean() / actual.var())


@pytest.fixture(scope="module")
def rows(housing_frame: pd.DataFrame) -> tuple[Matrix, NDArray[np.float64]]:
    shuffled = housing_frame.sample(6000, random_state=0)
    return to_matrix(shuffled), shuffled[TARGET].to_numpy()


@pytest.fixture(scope="module")
def of_1200(
    rows: tuple[Matrix, NDArray[np.float64]], pytestconfig: pytest.Config
) -> Callable[[ModelName], TrainedModel]:
    """Return the model of the first 1,200 rows, which is trained once."""
    raw, y = rows[0][:1200], rows[1][:1200]
    return cache(lambda model: trained_before(pytestconfig.cache, raw, y, model))


@pytest.mark.parametrize("model", ["histogram_gradient_boosting", "random_forest", "ridge"])
def test_bundle_and_pipeline_predict_the_same_for_rows_that_are_new(
    model: ModelName,
    rows: tuple[Matrix, NDArray[np.float64]],
    of_1200: Callable[[ModelName], TrainedModel],
) -> None:
    raw, _ = rows
    pipeline, bundle, *_ = of_1200(model)
    limits = bundle.manifest.price_range
    expected = np.clip(pipeline.predict(raw[1200:]), limits.minimum, limits.maximum)
    np.testing.assert_allclose(bundle.predict(raw[1200:]), expected, rtol=1e-9)


@pytest.mark.parametrize("model", ["histogram_gradient_boosting", "random_forest"])
def test_the_same_rows_and_config_give_the_same_bundle_byte_for_byte(
    model: ModelName,
    rows: tuple[Matrix, NDArray[np.float64]],
    of_1200: Callable[[ModelName], TrainedModel],
) -> None:
    raw, y = rows[0][:1200], rows[1][:1200]
    first, second = of_1200(model).bundle, trained(raw, y, model).bundle
    assert first.files() == second.files()
    assert first.digest == second.digest
    np.testing.assert_array_equal(first.predict(rows[0]), second.predict(rows[0]))


def test_one_other_price_gives_another_bundle(
    rows: tuple[Matrix, NDArray[np.float64]], of_1200: Callable[[ModelName], TrainedModel]
) -> None:
    raw, y = rows[0][:1200], rows[1][:1200].copy()
    y[600] += 1000
    assert trained(raw, y, "ridge").bundle.digest != of_1200("ridge").bundle.digest


def test_a_price_of_little_weight_moves_the_model_little(
    rows: tuple[Matrix, NDArray[np.float64]],
) -> None:
    raw, y = rows[0][:600], rows[1][:600]
    doubtful = np.arange(600) % 2 == 0
    doubled = np.where(doubtful, np.minimum(2 * y, 500_001.0), y)

    alike = trained(raw, doubled, "ridge").pipeline.predict(rows[0]).mean()
    weighted = trained(raw, doubled, "ridge", np.where(doubtful, 0.05, 1.0))

    truth = trained(raw, y, "ridge").pipeline.predict(rows[0]).mean()
    assert abs(weighted.pipeline.predict(rows[0]).mean() - truth) < 0.8 * abs(alike - truth)


def test_prices_at_random_cannot_be_predicted(
    rows: tuple[Matrix, NDArray[np.float64]], pytestconfig: pytest.Config
) -> None:
    raw, y = rows
    permuted = np.random.default_rng(0).permutation(y)
    pipeline, bundle, *_ = trained_before(pytestconfig.cache, raw[:4000], permuted[:4000])
    for predicted in (bundle.predict(raw[4000:]), pipeline.predict(raw[4000:])):
        assert -0.25 < r2(permuted[4000:], predicted) < 0.02


def test_real_prices_can_and_the_interval_covers_them(
    rows: tuple[Matrix, NDArray[np.float64]], pytestconfig: pytest.Config
) -> None:
    raw, y = rows
    bundle = trained_before(pytestconfig.cache, raw[:4000], y[:4000]).bundle
    assert r2(y[4000:], bundle.predict(raw[4000:])) > 0.75
    lower, upper = bundle.predict_interval(raw[4000:]).T
    inside = (lower <= y[4000:]) & (y[4000:] <= upper)
    assert 0.87 < inside.mean() < 0.93
    for category in np.unique(raw[4000:, -1]):
        part = raw[4000:, -1] == category
        assert part.sum() < 50 or inside[part].mean() > 0.82


def test_of_many_rows_one_fold_calibrates_the_interval_of_the_same_model(
    rows: tuple[Matrix, NDArray[np.float64]], of_1200: Callable[[ModelName], TrainedModel]
) -> None:
    raw, y = rows
    of_all = of_1200("histogram_gradient_boosting")
    of_one = trained(raw[:1200], y[:1200], most_rows=1199)

    prices, others = of_one.bundle.predict(raw[1200:]), of_all.bundle.predict(raw[1200:])
    np.testing.assert_array_equal(prices, others)
    widths = [
        float(np.ptp(one.bundle.predict_interval(raw[1200:]), 1).mean()) for one in (of_one, of_all)
    ]
    assert widths[0] == pytest.approx(widths[1], rel=0.1)
    assert widths[0] != widths[1]
    lower, upper = of_one.bundle.predict_interval(raw[1200:]).T
    assert 0.87 < ((lower <= y[1200:]) & (y[1200:] <= upper)).mean() < 0.93
    assert of_one.blocked_wmape == pytest.approx(of_all.blocked_wmape, rel=0.5)


def test_of_many_rows_what_was_not_priced_is_in_no_figure_of_prices(
    rows: tuple[Matrix, NDArray[np.float64]],
) -> None:
    raw, y = rows[0][:1200], rows[1][:1200]
    found = trained(raw, y, "ridge", most_rows=1000)
    assert found.places.known.rows + found.places.new.rows == 400
    counts = found.bundle.reference.tally()
    assert rows_of(counts[PRICE], category=False) == rows_of(counts[RATIO], category=False) == 400
    assert rows_of(counts[TARGET], category=False) == 1200
    assert rows_of(counts["median_income"], category=False) == 1200


def test_the_manifest_says_what_training_saw(
    rows: tuple[Matrix, NDArray[np.float64]], of_1200: Callable[[ModelName], TrainedModel]
) -> None:
    raw, y = rows[0][:1200], rows[1][:1200]
    manifest = of_1200("ridge").bundle.manifest
    rooms = next(column for column in manifest.columns if column.name == "total_rooms")
    bedrooms = next(column for column in manifest.columns if column.name == "total_bedrooms")
    assert (rooms.minimum, rooms.maximum) == (raw[:, 3].min(), raw[:, 3].max())
    assert bedrooms.missing_share == np.isnan(raw[:, 4]).mean() > 0
    assert (manifest.price_range.minimum, manifest.price_range.maximum) == (y.min(), y.max())
    assert manifest.provenance == PROVENANCE
    assert manifest.libraries["scikit-learn"]


def test_golden_rows_have_every_category_an_unknown_one_and_missing_bedrooms(
    of_1200: Callable[[ModelName], TrainedModel],
) -> None:
    golden = of_1200("ridge").bundle.golden
    ordinary = golden.raw[:ORDINARY]
    assert set(ordinary[:, -1]) == set(range(-1, len(CATEGORIES)))
    assert np.isnan(ordinary[:, COLUMNS.index("total_bedrooms")]).sum() >= 5
    assert len(golden.raw) == 1024


def test_an_export_that_computes_otherwise_is_refused(
    rows: tuple[Matrix, NDArray[np.float64]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def slightly_off(self: Bundle, features: NDArray[np.float64]) -> tuple[Any, Any]:
        price, spread = exact(self, features)
        return (price, spread) if len(features) < 1200 else (price * (1 + 2e-6), spread)

    exact = Bundle.score
    monkeypatch.setattr(training.Bundle, "score", slightly_off)
    with pytest.raises(TrainingError, match=r"price is .* dollars, but scikit-learn's is"):
        trained(rows[0][:1200], rows[1][:1200], "ridge")
