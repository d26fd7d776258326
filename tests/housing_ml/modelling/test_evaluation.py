"""How good a model is on rows that it has never seen: overall, by slice, and in pictures."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import matplotlib.image
import numpy as np
import pytest

from housing_ml.bundle.model import Prediction
from housing_ml.config.modelling import EvaluationConfig
from housing_ml.data.contract import COLUMNS, TARGET, Matrix, to_matrix
from housing_ml.modelling.evaluation import evaluate, permutation_importance
from housing_ml.modelling.metrics import METRIC_NAMES, metrics
from housing_ml.modelling.sweep.figures import sweep_history
from housing_ml.records.features import ClusterReport, ClusterScore
from housing_ml.records.imputation import ImputationReport, ImputerScore
from housing_ml.records.selection import CandidateScore, SelectionReport
from housing_ml.records.sweep import SweepResult, Trial
from housing_ml.reporting import figures as plots
from housing_ml.reporting.retrain import holdout_rows

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from housing_ml.records.evaluation import Evaluation, Importance

INCOME = COLUMNS.index("median_income")


@pytest.fixture(scope="module")
def raw(housing_frame: pd.DataFrame) -> Matrix:
    return to_matrix(housing_frame.sample(600, random_state=2))


@pytest.fixture(scope="module")
def actual(housing_frame: pd.DataFrame) -> NDArray[np.float64]:
    return housing_frame.sample(600, random_state=2)[TARGET].to_numpy()


@pytest.fixture(scope="module")
def prediction(actual: NDArray[np.float64]) -> Prediction:
    price = actual * np.random.default_rng(1).normal(1, 0.1, len(actual))
    return Prediction(price, 0.85 * price, 1.15 * price)


@pytest.fixture(scope="module")
def evaluation(raw: Matrix, actual: NDArray[np.float64], prediction: Prediction) -> Evaluation:
    return evaluate(raw, actual, prediction, EvaluationConfig(bootstrap_samples=200))


@pytest.mark.parametrize("kind", ["ocean proximity", "price", "income"])
def test_the_slices_of_a_kind_hold_every_row_once(evaluation: Evaluation, kind: str) -> None:
    assert sum(part.rows for part in evaluation.slices if part.kind == kind) == evaluation.rows


def test_each_metric_lies_in_its_interval(evaluation: Evaluation) -> None:
    for name in METRIC_NAMES:
        low, high = evaluation.intervals[name]
        assert low <= getattr(evaluation.metrics, name) <= high


def test_figures_without_the_rows_at_the_cap_are_shown_beside_those_of_all(
    evaluation: Evaluation, actual: NDArray[np.float64], prediction: Prediction
) -> None:
    below = actual < 500_001

    assert 10 <= (~below).sum() < len(actual)
    found = evaluation.below_cap
    assert found is not None
    assert found == metrics(actual[below], prediction.price[below])
    shown = {row["holdout"]: row["value"] for row in holdout_rows(evaluation, 0.9)}
    assert shown["wMAPE without the rows at the cap"] == f"{found.wmape:.2%}"


def test_a_highest_price_that_few_rows_share_is_no_cap(
    raw: Matrix, actual: NDArray[np.float64], prediction: Prediction
) -> None:
    uncapped = actual + np.arange(len(actual))
    config = EvaluationConfig(bootstrap_samples=100)

    assert evaluate(raw, uncapped, prediction, config).below_cap is None


def test_coverage_is_the_share_of_prices_inside_their_interval(
    evaluation: Evaluation, actual: NDArray[np.float64], prediction: Prediction
) -> None:
    inside = (prediction.lower <= actual) & (actual <= prediction.upper)
    assert evaluation.coverage == inside.mean()
    assert evaluation.mean_width == pytest.approx(0.3 * prediction.price.mean())


def test_the_same_seed_gives_the_same_evaluation(
    raw: Matrix, actual: NDArray[np.float64], prediction: Prediction, evaluation: Evaluation
) -> None:
    assert evaluate(raw, actual, prediction, EvaluationConfig(bootstrap_samples=200)) == evaluation


def test_rows_and_prices_of_other_lengths_are_refused(
    raw: Matrix, actual: NDArray[np.float64], prediction: Prediction
) -> None:
    with pytest.raises(ValueError, match="599"):
        evaluate(raw, actual[1:], prediction, EvaluationConfig())


def _importances(raw: Matrix, actual: NDArray[np.float64]) -> tuple[Importance, ...]:
    return permutation_importance(
        lambda rows: 40_000 * rows[:, INCOME] + 50_000, raw, actual, repeats=2, seed=1
    )


def test_only_an_input_that_the_model_uses_is_important(
    raw: Matrix, actual: NDArray[np.float64]
) -> None:
    first, *others = _importances(raw, actual)

    assert first.name == "income"
    assert first.increase > 0.05
    assert {other.increase for other in others} == {0.0}


def _picture(content: bytes) -> NDArray[np.float32]:
    return matplotlib.image.imread(io.BytesIO(content), format="png")


def _reports(better: int) -> dict[str, bytes]:
    """Draw every comparison, with another winner for another `better`."""
    value = metrics([100.0, 200.0], [110.0, 190.0 + better])
    scores = [
        CandidateScore(
            model=model,
            parameters={},
            train=value,
            validation=value.model_copy(update={"wmape": 0.1 + 0.01 * (place != better)}),
            validation_std=value,
            folds=2,
            overfitting=False,
            seconds=1.0,
        )
        for place, model in enumerate(("ridge", "lasso"))
    ]
    models = SelectionReport(
        winner=scores[better].model,
        parameters={},
        candidates=tuple(scores),
        rows=2,
        folds=2,
        feature_seconds=1.0,
    )
    clusters = ClusterReport(
        chosen=5 * better,
        scores=tuple(
            ClusterScore(
                clusters=count,
                cv_wmape=0.1 + 0.01 * count,
                cv_rmse=1.0,
                inertia=2.0 if count else None,
                silhouette=0.5 if count else None,
                davies_bouldin=0.5 if count else None,
            )
            for count in (0, 5)
        ),
    )
    imputers = ImputationReport(
        chosen=("median", "mean")[better],
        scores=(
            ImputerScore(name="median", rmse=2.0 + better, rmse_std=0.1),
            ImputerScore(name="mean", rmse=2.5, rmse_std=0.1),
        ),
        masked=10,
        missing=2,
    )
    trial = Trial(
        number=0,
        parameters={},
        state="complete",
        wmape=0.1 * (1 + better),
        fold_wmapes=(0.1,),
        seconds=1.0,
        reason="",
    )
    failed = trial.model_copy(update={"number": 1, "state": "failed", "wmape": None})
    sweep = SweepResult(
        model="ridge", best_parameters={}, best_wmape=0.1, trials=(trial, failed), resumed=0
    )
    return {
        "models": plots.model_comparison(models),
        "clusters": plots.cluster_comparison(clusters),
        "imputers": plots.imputer_comparison(imputers),
        "sweep": sweep_history(sweep),
    }


def test_every_comparison_is_drawn_and_another_one_looks_other() -> None:
    first, second = _reports(0), _reports(1)

    for name, content in first.items():
        assert _picture(content).ndim == 3
        assert content != second[name], name


def test_the_figures_of_the_holdout_are_pictures_that_follow_the_data(
    raw: Matrix, actual: NDArray[np.float64], prediction: Prediction, evaluation: Evaluation
) -> None:
    drawn = {
        "scatter": plots.predicted_against_actual(actual, prediction.price),
        "map": plots.residual_map(*raw.T[:2], actual, prediction.price),
        "importance": plots.importance(_importances(raw, actual)),
        "slices": plots.error_by_slice(evaluation),
    }

    for content in drawn.values():
        assert _picture(content).std() > 0
    assert plots.residual_map(*raw.T[:2], actual, actual) != drawn["map"]
    assert plots.predicted_against_actual(actual, actual) != drawn["scatter"]
