"""Golden rows reach every branch, so that code that computes otherwise is noticed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from housing_ml.bundle.manifest import BundleError, Provenance
from housing_ml.bundle.model import MODEL, Bundle
from housing_ml.config.choices import FeatureParameters
from housing_ml.config.modelling import TrainingConfig
from housing_ml.data.contract import CATEGORIES, COLUMNS, FIELDS, NUMERIC, TARGET, Matrix, to_matrix
from housing_ml.features import imputation, kd_tree, neighbours
from housing_ml.modelling.golden_rows import COUNT, model_splits
from tests.once import train_once

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

BEDROOMS = COLUMNS.index("total_bedrooms")


@pytest.fixture(scope="module")
def raw(housing_frame: pd.DataFrame) -> Matrix:
    """The training rows."""
    return to_matrix(housing_frame.sample(1500, random_state=0))


@pytest.fixture(scope="module")
def bundle(housing_frame: pd.DataFrame, raw: Matrix, pytestconfig: pytest.Config) -> Bundle:
    """A bundle of trees, whose imputer is a forest."""
    return train_once(
        pytestconfig.cache,
        raw,
        housing_frame.sample(1500, random_state=0)[TARGET].to_numpy(),
        FeatureParameters(imputer="forest", clusters=3),
        "histogram_gradient_boosting",
        {"max_iter": 30, "learning_rate": 0.1},
        TrainingConfig(folds=2),
        Provenance(data_digest="d" * 64, rows=len(raw), synthetic=False),
    ).bundle


def test_each_category_is_there_with_bedrooms_and_without(bundle: Bundle) -> None:
    golden = bundle.golden.raw
    missing = np.isnan(golden[:, BEDROOMS])
    assert len(golden) >= COUNT >= 1000
    for part in (golden[missing], golden[~missing]):
        assert set(part[:, -1]) == set(range(-1, len(CATEGORIES)))


def test_each_column_is_there_at_its_least_and_greatest(bundle: Bundle, raw: Matrix) -> None:
    golden = bundle.golden.raw
    for column, name in enumerate(NUMERIC):
        seen = {np.nanmin(raw[:, column]), np.nanmax(raw[:, column])}
        assert seen | {FIELDS[name].minimum, FIELDS[name].maximum} <= set(golden[:, column])


def test_places_lie_on_training_rows_and_far_from_all(bundle: Bundle) -> None:
    features = bundle.features.transform(bundle.golden.raw)
    names = bundle.features.get_feature_names_out().tolist()
    nearest = features[:, names.index("distance_to_nearest_row")]
    assert (nearest == 0).sum() >= 100
    assert ((nearest > 0) & (nearest < 1)).sum() >= 10
    assert (nearest > 100).sum() >= 10


def test_splits_are_met_exactly_and_the_next_value_has_another_price(bundle: Bundle) -> None:
    splits = model_splits(bundle.files()[MODEL], bundle.features)
    golden = bundle.golden.raw
    met = {
        name: np.isin(golden[:, column], splits[column]).sum()
        for column, name in enumerate(NUMERIC)
    }
    assert met["median_income"] >= 5
    assert sum(met.values()) >= 40


def _strictly_below(state: imputation.ForestState, rows: Matrix) -> Matrix:
    """The forest's estimate with `<` in place of `<=`."""
    values = rows[:, imputation.OTHERS].astype(np.float32)
    row = np.arange(len(rows))[:, np.newaxis]
    node = np.broadcast_to(state.roots, (len(rows), len(state.roots)))
    for _ in range(state.depth):
        left = values[row, state.column[node]] < state.number[node]
        node = np.where(left, state.left[node], state.right[node])
    estimate: Matrix = state.number[node].mean(axis=1)
    return estimate


def _forest(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(imputation.ForestState, "_estimate", _strictly_below)


def _reach(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(neighbours, "NEAR", 1.01)


def _far_places(patch: pytest.MonkeyPatch) -> None:
    exact = kd_tree.NearestPoints.query

    def clipped(*arguments: object) -> object:
        distance, number = exact(*arguments)  # type: ignore[arg-type]
        return np.minimum(distance, 150.0), number

    patch.setattr(kd_tree.NearestPoints, "query", clipped)


@pytest.mark.parametrize("edit", [_forest, _reach, _far_places])
def test_feature_code_that_computes_otherwise_at_an_edge_is_refused(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, edit: Callable[[pytest.MonkeyPatch], None]
) -> None:
    edit(monkeypatch)
    with pytest.raises(BundleError, match="golden row"):
        Bundle(bundle.files())
