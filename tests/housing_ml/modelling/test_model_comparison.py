"""Comparisons by cross-validation: what wins, and what a fold may know."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sklearn.model_selection import cross_validate

from housing_ml.config.choices import FeatureParameters
from housing_ml.config.modelling import Candidate, FeatureConfig, SelectionConfig
from housing_ml.config.sweep import SweepConfig
from housing_ml.data.contract import TARGET, Matrix, to_matrix
from housing_ml.modelling.cluster_comparison import compare_clusters
from housing_ml.modelling.folds import make_folds, predict_fold, splitter
from housing_ml.modelling.model_comparison import select_model
from housing_ml.modelling.models import ModelError, build_pipeline
from housing_ml.modelling.sampling import sampled
from housing_ml.modelling.sweep.objective import Objective

if TYPE_CHECKING:
    import pandas as pd

Rows = tuple[Matrix, Any]
FEATURES = FeatureParameters(imputer="median", clusters=3)


@pytest.fixture(scope="module")
def rows(housing_frame: pd.DataFrame) -> Rows:
    frame = housing_frame.sample(1_200, random_state=9)
    return to_matrix(frame), frame[TARGET].to_numpy()


def test_a_fold_predicts_what_the_whole_pipeline_fitted_on_it_predicts(rows: Rows) -> None:
    raw, prices = rows
    scores = cross_validate(
        build_pipeline(FEATURES, "ridge", {}, seed=1),
        raw,
        prices,
        cv=splitter(3, 1),
        scoring="neg_mean_absolute_error",
    )["test_score"]

    errors = [
        np.abs(predict_fold(fold, FEATURES, "ridge", {}, 1).validation - fold.validation_price)
        for fold in make_folds(raw, prices, FEATURES, 3, 1)
    ]

    np.testing.assert_allclose([-error.mean() for error in errors], scores, rtol=1e-12)


def test_the_prices_of_the_validation_rows_shape_nothing_of_their_features(rows: Rows) -> None:
    raw, prices = rows
    _, outside = next(iter(splitter(3, 1).split(raw)))
    changed = prices.copy()
    changed[outside] = 1.0

    before, after = (make_folds(raw, y, FEATURES, 3, 1)[0] for y in (prices, changed))

    np.testing.assert_array_equal(before.train, after.train)
    np.testing.assert_array_equal(before.validation, after.validation)


def test_the_winner_has_the_least_validation_wmape_and_all_points_are_reported(rows: Rows) -> None:
    candidates = (
        Candidate(model="ridge", grid={"alpha": (1.0, 1e6)}),
        Candidate(model="decision_tree", grid={"min_samples_leaf": (1,)}),
    )

    report = select_model(*rows, FEATURES, SelectionConfig(candidates=candidates, folds=2))

    found = [candidate.validation.wmape for candidate in report.candidates]
    assert found == sorted(found)
    assert len(found) == 3
    assert (report.winner, report.parameters) == ("ridge", {"alpha": 1.0})
    flagged = {str(candidate.parameters): candidate.overfitting for candidate in report.candidates}
    assert flagged["{'min_samples_leaf': 1}"]
    assert not flagged["{'alpha': 1000000.0}"]


def test_what_is_clearly_worse_on_the_first_fold_sees_no_other_and_comes_last(rows: Rows) -> None:
    ridge = Candidate(model="ridge", grid={"alpha": (1e6, 1.0, 1.1)})

    report = select_model(*rows, FEATURES, SelectionConfig(candidates=(ridge,), folds=3))

    assert [score.folds for score in report.candidates] == [3, 3, 1]
    assert report.candidates[-1].parameters == {"alpha": 1e6}
    assert report.candidates[-1].validation_std.wmape == 0


def test_of_too_many_rows_models_and_trials_see_one_sample_of_them(rows: Rows) -> None:
    ridge = (Candidate(model="ridge"),)
    config = SelectionConfig(candidates=ridge, folds=2, most_rows=1000)
    raw, price = sampled(*rows, 1000, config.seed)

    report = select_model(*rows, FEATURES, config)

    assert report.rows == len(raw) == len(np.unique(raw, axis=0)) == 1000
    assert report.candidates[0].validation == (
        select_model(raw, price, FEATURES, config).candidates[0].validation
    )
    trials = Objective(*rows, FEATURES, "ridge", {}, SweepConfig(folds=2, most_rows=1000))
    assert [len(fold.train) for fold in trials.folds] == [500, 500]
    assert sampled(*rows, 1200, 0)[0] is rows[0]


def test_an_unknown_parameter_is_named_before_any_work() -> None:
    config = SelectionConfig(candidates=(Candidate(model="ridge", grid={"depth": (1,)}),))

    with pytest.raises(ModelError, match="ridge has no depth"):
        select_model(np.empty((0, 9)), np.empty(0), FEATURES, config)


def test_the_number_of_clusters_is_that_of_the_least_error_of_the_model(rows: Rows) -> None:
    config = FeatureConfig(cluster_candidates=(0, 1, 6), folds=2)

    report = compare_clusters(*rows, "median", config)

    errors = {score.clusters: score.cv_wmape for score in report.scores}
    assert errors[report.chosen] == min(errors.values())
    none, one, six = report.scores
    assert (none.inertia, none.silhouette, none.davies_bouldin) == (None, None, None)
    assert (one.silhouette, one.davies_bouldin) == (None, None)
    assert one.inertia is not None
    assert six.inertia is not None
    assert six.inertia < one.inertia
    assert -1 < (six.silhouette or -2) < 1


def test_of_many_rows_numbers_of_clusters_are_compared_on_a_sample(rows: Rows) -> None:
    config = FeatureConfig(cluster_candidates=(0,), folds=2, most_rows=1000)

    sample, whole = (
        compare_clusters(*some, "median", config).scores
        for some in (sampled(*rows, 1000, config.seed), rows)
    )

    assert sample == whole
