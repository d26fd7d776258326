"""The imputers by name; those that only compute stand with the features, which serve them.

The forest is the random-forest step of scikit-learn's `IterativeImputer`. Only one column is ever
missing, so that its rounds have nothing to repeat and one regression is the whole of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sklearn.ensemble import RandomForestRegressor

from housing_ml.features.imputation import (
    BEDROOMS,
    OTHERS,
    ForestState,
    Imputer,
    ImputerState,
    fit_mean,
    fit_median,
    fit_neighbours,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sklearn.tree import DecisionTreeRegressor

    from housing_ml.config.choices import ImputerName
    from housing_ml.data.contract import Matrix


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
