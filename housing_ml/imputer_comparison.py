"""Which imputer fills missing bedrooms best: known values are masked, filled and compared.

The forest is the random-forest step of scikit-learn's `IterativeImputer`. Only one column is ever
missing, so that its rounds have nothing to repeat and one regression is the whole of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sklearn.ensemble import RandomForestRegressor

from housing_ml.imputation import (
    BEDROOMS,
    OTHERS,
    ForestState,
    Imputer,
    ImputerState,
    fit_mean,
    fit_median,
    fit_neighbours,
)
from housing_ml.records.imputation import ImputationReport, ImputerScore

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sklearn.tree import DecisionTreeRegressor

    from housing_ml.config import ImputationConfig, ImputerName
    from housing_ml.contract import Matrix

_TREES, _DEPTH = 25, 10
_SEED = 42


def fit_forest(raw: Matrix) -> ImputerState:
    """Fill with a random forest's estimate from the other numeric columns.

    The forest is small and shallow, because its nodes travel with the model and each
    missing value walks them.
    """
    known = raw[~np.isnan(raw[:, BEDROOMS])]
    if len(known) < 2:
        return fit_median(raw)
    forest = RandomForestRegressor(
        n_estimators=_TREES,
        max_depth=_DEPTH,
        min_samples_leaf=5,
        max_features=0.6,
        random_state=_SEED,
        n_jobs=1,
    )
    forest.fit(known[:, OTHERS], known[:, BEDROOMS])
    return _forest_state(forest.estimators_)


def _forest_state(trees: list[DecisionTreeRegressor]) -> ForestState:
    counts = [tree.tree_.node_count for tree in trees]
    roots = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int32)
    parts = [_tree_arrays(tree, root) for tree, root in zip(trees, roots.tolist(), strict=True)]
    column, number, left, right = (np.concatenate(part) for part in zip(*parts, strict=True))
    depth = max(tree.tree_.max_depth for tree in trees)
    return ForestState(roots, column, number, left, right, depth)


def _tree_arrays(tree: DecisionTreeRegressor, root: int) -> tuple[NDArray[np.generic], ...]:
    """Return one tree's column, number, left and right, its nodes counted from `root`."""
    fitted = tree.tree_
    leaf = fitted.children_left < 0
    node = np.arange(fitted.node_count)
    return (
        np.where(leaf, 0, fitted.feature).astype(np.int8),
        np.where(leaf, fitted.value.ravel(), fitted.threshold),
        (root + np.where(leaf, node, fitted.children_left)).astype(np.int32),
        (root + np.where(leaf, node, fitted.children_right)).astype(np.int32),
    )


_IMPUTERS: dict[ImputerName, Imputer] = {
    "median": fit_median,
    "mean": fit_mean,
    "neighbours": fit_neighbours,
    "forest": fit_forest,
}


def imputer(name: ImputerName) -> Imputer:
    """Return the fitter of that name."""
    return _IMPUTERS[name]


def compare_imputers(raw: Matrix, config: ImputationConfig) -> ImputationReport:
    """Mask known bedrooms of training rows several times and score how each imputer fills them.

    All imputers see the same masks. The lowest mean RMSE is chosen, the first of equals.

    Args:
        raw: training rows, float64 (n, 9).
        config: candidates, share of the known values to mask, repeats and seed.

    Raises:
        ValueError: when fewer than two bedroom counts are known.
    """
    known = np.flatnonzero(~np.isnan(raw[:, BEDROOMS]))
    if len(known) < 2:
        raise ValueError("total_bedrooms is known in fewer than two rows: nothing to compare with")
    masked = min(max(1, round(config.masked_share * len(known))), len(known) - 1)
    generator = np.random.default_rng(config.seed)
    masks = [generator.choice(known, masked, replace=False) for _ in range(config.repeats)]
    scores = tuple(_score(name, raw, masks) for name in config.candidates)
    return ImputationReport(
        chosen=min(scores, key=lambda score: score.rmse).name,
        scores=scores,
        masked=masked,
        missing=len(raw) - len(known),
    )


def _score(name: ImputerName, raw: Matrix, masks: list[NDArray[np.int64]]) -> ImputerScore:
    errors = [_masked_rmse(imputer(name), raw, mask) for mask in masks]
    return ImputerScore(name=name, rmse=float(np.mean(errors)), rmse_std=float(np.std(errors)))


def _masked_rmse(fit: Imputer, raw: Matrix, mask: NDArray[np.int64]) -> float:
    """Return the RMSE in bedrooms on the rows `mask`, which the imputer sees as missing."""
    hidden = raw.copy()
    hidden[mask, BEDROOMS] = np.nan
    filled = fit(hidden).fill(hidden[mask])
    return float(np.sqrt(np.mean((filled[:, BEDROOMS] - raw[mask, BEDROOMS]) ** 2)))
