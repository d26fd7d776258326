"""One feature matrix for training and serving: exact, free of leaks, and a scikit-learn citizen."""

from __future__ import annotations

import copy
import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import check_estimator

from housing_ml import features
from housing_ml.config.choices import FeatureParameters
from housing_ml.data.contract import CATEGORIES, COLUMNS, TARGET, Matrix, to_matrix
from housing_ml.features import HousingFeatures, raw_rows
from housing_ml.features.geography import fit_clusters
from housing_ml.features.imputation import fit_neighbours
from housing_ml.modelling.folds import make_folds
from housing_ml.modelling.metrics import metrics
from housing_ml.modelling.models import build_pipeline

if TYPE_CHECKING:
    import pandas as pd

Rows = tuple[Matrix, Any]
INCOME = COLUMNS.index("median_income")


@pytest.fixture(scope="module")
def rows(housing_frame: pd.DataFrame) -> Rows:
    frame = housing_frame.sample(1_500, random_state=5)
    return to_matrix(frame), frame[TARGET].to_numpy()


@pytest.fixture(scope="module")
def fitted(rows: Rows) -> HousingFeatures:
    return HousingFeatures(imputer=fit_neighbours, clusters=8).fit(*rows)


@settings(max_examples=50, deadline=None)
@given(
    number=st.lists(st.integers(0, 5), min_size=1, max_size=40),
    clusters=st.integers(0, 12),
    seed=st.integers(0, 3),
)
def test_there_are_as_many_clusters_as_asked_for_however_few_the_places(
    number: list[int], clusters: int, seed: int
) -> None:
    places = np.column_stack([number, np.square(number)]).astype(float)

    centres = fit_clusters(places, clusters, seed)

    assert centres.shape == (clusters, 2)
    assert (centres.min(axis=0, initial=np.inf) >= places.min(axis=0)).all()
    assert (centres.max(axis=0, initial=-np.inf) <= places.max(axis=0)).all()


def test_folds_of_rows_in_few_places_have_the_same_columns(rows: Rows) -> None:
    raw, prices = rows[0].copy(), rows[1]
    raw[:, :2] = raw[np.arange(len(raw)) % 7, :2]

    folds = make_folds(raw, prices, FeatureParameters(imputer="median", clusters=20), 4, seed=0)

    assert len({fold.validation.shape[1] for fold in folds}) == 1


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 1_499), min_size=1, max_size=40))
def test_a_row_has_the_same_features_alone_and_among_others(
    rows: Rows, fitted: HousingFeatures, chosen: list[int]
) -> None:
    together = fitted.transform(rows[0][chosen])

    alone = np.concatenate([fitted.transform(rows[0][[index]]) for index in chosen])

    np.testing.assert_array_equal(alone, together)


def test_rows_have_the_same_features_at_once_and_in_parts(
    rows: Rows, fitted: HousingFeatures, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once = clone(fitted).fit_transform(*rows), fitted.transform(rows[0])

    for module in (raw_rows, features):
        monkeypatch.setattr(module, "TOGETHER", 97)
    in_parts = clone(fitted).fit_transform(*rows), fitted.transform(rows[0])

    for one, other in zip(at_once, in_parts, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_order_of_the_training_rows_is_no_matter(rows: Rows, fitted: HousingFeatures) -> None:
    order = np.random.default_rng(0).permutation(len(rows[1]))

    shuffled = HousingFeatures(imputer=fit_neighbours, clusters=8)
    columns = shuffled.fit_transform(rows[0][order], rows[1][order])

    np.testing.assert_array_equal(shuffled.transform(rows[0]), fitted.transform(rows[0]))
    np.testing.assert_array_equal(columns, clone(fitted).fit_transform(*rows)[order])


@pytest.mark.parametrize(
    "copied",
    [
        lambda fitted: HousingFeatures.from_arrays(fitted.to_arrays()),
        lambda fitted: pickle.loads(pickle.dumps(fitted)),  # noqa: S301 - its own
        copy.deepcopy,
    ],
    ids=["arrays", "pickle", "deepcopy"],
)
def test_a_copy_transforms_alike(rows: Rows, fitted: HousingFeatures, copied: Any) -> None:
    np.testing.assert_array_equal(copied(fitted).transform(rows[0]), fitted.transform(rows[0]))


def test_every_array_of_the_state_is_plain_numbers(fitted: HousingFeatures) -> None:
    assert {array.dtype.kind for array in fitted.to_arrays().values()} <= {"f", "i"}


def test_a_row_never_sees_its_own_price(rows: Rows) -> None:
    raw, prices = rows
    changed = prices.copy()
    changed[17] *= 100

    before = HousingFeatures(clusters=4).fit_transform(raw, prices)
    after = HousingFeatures(clusters=4).fit_transform(raw, changed)

    # residuals hold a regression of price on income over all rows, which one price moves a little
    names = HousingFeatures(clusters=4).fit(raw, prices).get_feature_names_out()
    kinds = [index for index, name in enumerate(names) if "kind" in name]
    own = [i for i, name in enumerate(names) if "residual" not in name and i not in kinds]
    np.testing.assert_array_equal(after[17, own], before[17, own])
    # the regression of price on kind is exactly that of the other rows, but for rounding
    np.testing.assert_allclose(after[17, kinds], before[17, kinds], rtol=1e-9)
    assert (after != before).any()


def test_what_a_row_sees_of_kinds_is_a_regression_on_the_other_rows(rows: Rows) -> None:
    raw, prices = rows[0][:200], rows[1][:200]
    features = HousingFeatures(clusters=0)
    known = features.fit_transform(raw, prices)
    kinds = [i for i, name in enumerate(features.get_feature_names_out()) if "kind" in name]

    for row in (0, 7, 199):
        others = np.delete(np.arange(200), row)
        without = HousingFeatures(clusters=0).fit(raw[others], prices[others])
        # a penalty on standardised terms moves a little with the rows that standardise them
        expected = without.transform(raw[[row]])[0, kinds]
        np.testing.assert_allclose(known[row, kinds], expected, rtol=0.02, atol=1_000)


def test_no_single_feature_predicts_a_permuted_price(rows: Rows) -> None:
    raw, prices = rows
    shuffled = np.random.default_rng(7).permutation(prices)
    features = HousingFeatures(clusters=0)

    columns = features.fit_transform(raw, shuffled)

    near = list(features.groups()["neighbours"])
    correlations = np.corrcoef(columns[:, near].T, shuffled)[-1, :-1]
    assert np.abs(correlations).max() < 0.15


def test_the_state_of_version_0_1_has_the_columns_of_version_0_1(
    rows: Rows, fitted: HousingFeatures
) -> None:
    old = {n: array for n, array in fitted.to_arrays().items() if not n.startswith("alike.")}

    restored = HousingFeatures.from_arrays(old)

    columns = restored.transform(rows[0])
    names = restored.get_feature_names_out().tolist()
    assert names == fitted.get_feature_names_out().tolist()[: len(names)]
    np.testing.assert_array_equal(columns, fitted.transform(rows[0])[:, : len(names)])


def test_a_permuted_price_cannot_be_predicted_through_the_whole_pipeline(rows: Rows) -> None:
    raw, prices = rows
    shuffled = np.random.default_rng(3).permutation(prices)
    pipeline = build_pipeline(
        FeatureParameters(imputer="median", clusters=5),
        "histogram_gradient_boosting",
        {"max_iter": 30, "learning_rate": 0.1, "max_leaf_nodes": 8},
        seed=1,
    )

    predicted = cross_val_predict(pipeline, raw, shuffled, cv=3)

    assert abs(metrics(shuffled, predicted).r2) < 0.1


def test_the_real_price_can(rows: Rows) -> None:
    pipeline = build_pipeline(FeatureParameters(imputer="median", clusters=5), "ridge", {}, seed=1)

    predicted = cross_val_predict(pipeline, *rows, cv=3)

    assert metrics(rows[1], predicted).r2 > 0.6


def test_an_unknown_category_is_none_of_the_known_ones(rows: Rows, fitted: HousingFeatures) -> None:
    row = rows[0][:1].copy()
    row[0, -1] = -1
    names = fitted.get_feature_names_out().tolist()
    columns = [names.index(f"ocean_proximity={name}") for name in CATEGORIES]

    assert fitted.transform(row)[0, columns].tolist() == [0.0] * 5


def test_names_and_groups_cover_every_column_once(rows: Rows, fitted: HousingFeatures) -> None:
    columns = fitted.transform(rows[0][:3])
    names = fitted.get_feature_names_out()

    assert columns.shape == (3, len(names)) == (3, len(set(names)))
    assert np.isfinite(columns).all()
    grouped = [column for group in fitted.groups().values() for column in group]
    assert sorted(grouped) == list(range(len(names)))


def test_frames_and_matrices_give_the_same(housing_frame: pd.DataFrame) -> None:
    frame = housing_frame.head(300)
    features = HousingFeatures(clusters=3).fit(frame, frame[TARGET])

    np.testing.assert_array_equal(features.transform(frame), features.transform(to_matrix(frame)))


@pytest.mark.parametrize("name", [name for name in COLUMNS if name != "total_bedrooms"])
def test_a_missing_number_other_than_bedrooms_is_named(
    rows: Rows, fitted: HousingFeatures, name: str
) -> None:
    row = rows[0][:2].copy()
    row[1, COLUMNS.index(name)] = np.nan

    with pytest.raises(ValueError, match=name):
        fitted.transform(row)


@pytest.mark.parametrize(
    ("prices", "message"),
    [
        (None, "requires y"),
        (np.ones(3), "shape"),
        (np.full(1_500, np.nan), "NaN"),
    ],
)
def test_unusable_prices_are_named(rows: Rows, prices: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        HousingFeatures().fit(rows[0], prices)


def test_an_unknown_parameter_is_named() -> None:
    with pytest.raises(ValueError, match="colour"):
        HousingFeatures().set_params(colour=1)


class AnyColumns(TransformerMixin, BaseEstimator):
    """`HousingFeatures` for matrices of any width and sign, as scikit-learn's checks give them.

    The checks know nothing of block groups: this maps what they give into the contract's columns.
    """

    def __init__(self, clusters: int = 2, random_state: int = 0) -> None:
        self.clusters = clusters
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> AnyColumns:
        self._fit(X, y)
        return self

    def fit_transform(self, X: Any, y: Any) -> Any:
        raw, prices = self._fit(X, y)
        return self.features_.fit_transform(raw, prices)

    def transform(self, X: Any) -> Any:
        from sklearn.utils.validation import check_is_fitted, validate_data  # noqa: PLC0415

        check_is_fitted(self)
        return self.features_.transform(self._rows(validate_data(self, X, reset=False)))

    def _fit(self, X: Any, y: Any) -> Any:
        from sklearn.utils.validation import validate_data  # noqa: PLC0415

        matrix, prices = validate_data(self, X, y, y_numeric=True)
        raw = self._rows(matrix)
        self.features_ = HousingFeatures(clusters=self.clusters, random_state=self.random_state)
        self.features_.fit(raw, prices)
        return raw, prices

    def _rows(self, X: Any) -> Matrix:
        raw = np.ones((len(X), len(COLUMNS)))
        width = min(X.shape[1], 8)
        raw[:, :width] = 1 + np.abs(X[:, :width])
        raw[:, -1] = 0
        return raw

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags


EXPECTED_FAILURES = {
    "check_transformer_general": (
        "fit_transform leaves each row's own price out: it differs from transform by design"
    ),
    "check_transformer_data_not_an_array": "the same",
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@pytest.mark.filterwarnings("ignore:Estimator's parameters changed")
def test_it_passes_the_checks_of_scikit_learn() -> None:
    results = check_estimator(AnyColumns(), expected_failed_checks=EXPECTED_FAILURES, on_fail=None)

    failed = {result["check_name"] for result in results if result["status"] == "failed"}
    assert not failed
    xfailed = {result["check_name"] for result in results if result["status"] == "xfail"}
    assert xfailed == EXPECTED_FAILURES.keys()


def test_it_works_in_a_pipeline_and_clones(rows: Rows, fitted: HousingFeatures) -> None:
    copied = clone(fitted)

    assert copied.get_params() == fitted.get_params()
    assert not copied.__sklearn_is_fitted__()
    assert make_pipeline(copied).fit_transform(*rows).shape == fitted.transform(rows[0]).shape
