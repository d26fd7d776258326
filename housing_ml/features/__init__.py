"""The feature matrix, computed with numpy and pykdtree for one row or a million.

`HousingFeatures` is a scikit-learn transformer that does not import scikit-learn. Its fitted state
is plain arrays: the imputer, the clusters' centres, a regression of price on kind, and the training
rows with their prices. A state that knows nothing of kinds is that of version 0.1, and has no
columns of `alike`: its model goes on with those that it was fitted on.

`fit_transform(X, y)` differs from `fit(X, y).transform(X)` by design: it leaves each row's own
price out of its neighbour statistics, so that training sees them as any later row will.

A row's features are the same bit for bit alone and among others: what is added up are the row's own
values, always in the same order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from housing_ml.data.contract import (
    CATEGORIES,
    CATEGORY,
    COLUMNS,
    NUMERIC,
    Matrix,
    RawData,
    to_matrix,
)
from housing_ml.features.alike import CROWD, Alike
from housing_ml.features.alike import NAMES as ALIKE_NAMES
from housing_ml.features.geography import (
    Floats,
    fit_clusters,
    location_features,
    location_names,
    plane,
)
from housing_ml.features.imputation import Imputer, fit_median, state_from_arrays
from housing_ml.features.kind import LeftOut, Themselves
from housing_ml.features.neighbours import COUNT, Neighbours
from housing_ml.features.neighbours import NAMES as NEIGHBOUR_NAMES
from housing_ml.features.raw_rows import (
    LOGS,
    TOGETHER,
    attributes_of,
    filled_rows,
    logs_of,
    parts,
    training_rows,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from sklearn.utils import Tags

RATIOS = (
    ("total_rooms", "households"),
    ("total_bedrooms", "households"),
    ("population", "households"),
    ("total_bedrooms", "total_rooms"),
    ("total_rooms", "population"),
)

_GROUPS = {
    "longitude": "location",
    "latitude": "location",
    "housing_median_age": "houses",
    "total_rooms": "houses",
    "total_bedrooms": "houses",
    "population": "people",
    "households": "people",
    "median_income": "income",
}

_CODE = COLUMNS.index(CATEGORY)
_NUMERATORS = [COLUMNS.index(name) for name, _ in RATIOS]
_DENOMINATORS = [COLUMNS.index(name) for _, name in RATIOS]
_CATEGORY_CODES = np.arange(len(CATEGORIES), dtype=np.float64)


class HousingFeatures:
    """Raw rows to the model's features; `X` is whatever `contract.to_matrix` takes.

    Args:
        imputer: fitter for the missing bedrooms.
        clusters: number of k-means clusters of the places; 0 is none.
        random_state: seed of k-means.
    """

    def __init__(
        self, imputer: Imputer = fit_median, clusters: int = 20, random_state: int = 42
    ) -> None:
        self.imputer = imputer
        self.clusters = clusters
        self.random_state = random_state

    def fit(self, X: RawData, y: Any) -> HousingFeatures:
        """Learn from training rows and their prices `y` (n,) in dollars; the order is no matter.

        Raises:
            ValueError: when `y` is missing, does not match or is not finite, or rows are too few.
        """
        self._fit(*training_rows(X, y))
        return self

    def fit_transform(self, X: RawData, y: Any) -> Floats:
        """Fit, and return the rows' features with each row's own price left out."""
        order, filled, left_out = self._fit(*training_rows(X, y))
        columns = np.empty((len(order), len(self.get_feature_names_out())))
        for rows in parts(len(order)):
            columns[order[rows]] = self._columns(filled[rows], Themselves(rows, left_out))
        return columns

    def _fit(self, raw: Matrix, prices: Floats) -> tuple[NDArray[np.intp], Matrix, LeftOut]:
        """Fit on the rows in a canonical order.

        Returns:
            That order; and in it the filled rows, and what leaves each out of the price of kinds.
        """
        order = np.lexsort((prices, *raw.T))
        raw = raw[order]
        self.imputer_ = self.imputer(raw)
        filled = filled_rows(self.imputer_, raw)
        places = plane(filled[:, :2])
        self.centres_ = fit_clusters(places, self.clusters, self.random_state)
        logs = logs_of(filled)
        attributes = attributes_of(filled, logs)
        self.neighbours_ = Neighbours.fit(places, attributes, prices[order])
        alike, left_out = Alike.fit(filled, logs, attributes, prices[order])
        self.alike_: Alike | None = alike
        self.n_features_in_ = len(COLUMNS)
        return order, filled, left_out

    def transform(self, X: RawData) -> Floats:
        """Return float64 (n, f), the neighbour statistics taken over all training rows.

        Raises:
            ValueError: when a value other than the bedrooms is missing or infinite.
        """
        filled = filled_rows(self.imputer_, to_matrix(X))
        if len(filled) <= TOGETHER:
            return self._columns(filled)
        columns = np.empty((len(filled), len(self.get_feature_names_out())))
        for rows in parts(len(filled)):
            columns[rows] = self._columns(filled[rows])
        return columns

    def _columns(self, filled: Matrix, themselves: Themselves | None = None) -> Floats:
        logs = logs_of(filled)
        place = plane(filled[:, :2])
        return np.concatenate(
            [
                filled[:, :_CODE],
                filled.take(_NUMERATORS, axis=1) / filled.take(_DENOMINATORS, axis=1),
                logs,
                filled[:, _CODE:] == _CATEGORY_CODES,
                *location_features(place, self.centres_),
                *self._nearby(filled, logs, place, themselves),
            ],
            axis=1,
        )

    def _nearby(
        self, filled: Matrix, logs: Floats, place: Floats, themselves: Themselves | None
    ) -> list[Floats]:
        """Return the statistics of training rows near the rows, or near themselves."""
        attributes = attributes_of(filled, logs)
        count = COUNT if self.alike_ is None else CROWD
        nearest = (
            self.neighbours_.nearest(place, count)
            if themselves is None
            else self.neighbours_.others(themselves.rows, count)
        )
        neighbours = self.neighbours_.statistics(nearest, attributes)
        if self.alike_ is None:
            return [neighbours]
        if themselves is not None:
            return [neighbours, self.alike_.leave_one_out(*nearest, *themselves)]
        return [neighbours, self.alike_.statistics(*nearest, filled, logs, attributes)]

    def get_feature_names_out(self, input_features: object = None) -> NDArray[Any]:  # noqa: ARG002
        """Return the names of the columns, an object array (f,); `input_features` is not used."""
        names = [name for _, names in self._blocks() for name in names]
        return np.array(names, dtype=object)

    def groups(self) -> dict[str, tuple[int, ...]]:
        """Return the column numbers of each group of features; every column is in one group."""
        groups: dict[str, tuple[int, ...]] = {}
        column = 0
        for group, names in self._blocks():
            groups[group] = (*groups.get(group, ()), *range(column, column + len(names)))
            column += len(names)
        return groups

    def _blocks(self) -> list[tuple[str, Sequence[str]]]:
        """Return the columns' groups and names in the order of `_columns`."""
        alike: Sequence[str] = () if self.alike_ is None else ALIKE_NAMES
        return [*_blocks(len(self.centres_)), ("neighbours", alike)]

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the fitted state as arrays by name, for `from_arrays`."""
        alike = {} if self.alike_ is None else self.alike_.to_arrays()
        return {
            "centres": self.centres_,
            **_prefixed("alike.", alike),
            **_prefixed("imputer.", self.imputer_.to_arrays()),
            **_prefixed("neighbours.", self.neighbours_.to_arrays()),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> HousingFeatures:
        """Return fitted features from their arrays; the parameters, for refitting, are defaults."""
        features = cls()
        features._restore(arrays)
        return features

    def _restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        self.centres_ = arrays["centres"]
        self.imputer_ = state_from_arrays(_part("imputer.", arrays))
        self.neighbours_ = Neighbours.from_arrays(_part("neighbours.", arrays))
        alike = _part("alike.", arrays)
        self.alike_ = Alike.from_arrays(alike) if alike else None
        self.n_features_in_ = len(COLUMNS)

    def __getstate__(self) -> dict[str, Any]:
        """Return parameters and plain arrays, so that a pickle or a deep copy holds no tree."""
        state = self.get_params()
        return {**state, "arrays": self.to_arrays()} if self.__sklearn_is_fitted__() else state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take up what `__getstate__` returned."""
        arrays = state.get("arrays")
        vars(self).update({name: value for name, value in state.items() if name != "arrays"})
        if arrays is not None:
            self._restore(arrays)

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002, FBT001, FBT002
        """Return the parameters by name, as scikit-learn's `clone` and `Pipeline` ask for them."""
        return {
            "imputer": self.imputer,
            "clusters": self.clusters,
            "random_state": self.random_state,
        }

    def set_params(self, **parameters: Any) -> HousingFeatures:
        """Set parameters by name.

        Raises:
            ValueError: when a name is none of the parameters.
        """
        unknown = sorted(parameters.keys() - self.get_params().keys())
        if unknown:
            raise ValueError(
                f"Invalid parameter {', '.join(unknown)} for HousingFeatures: "
                f"it has {', '.join(self.get_params())}"
            )
        vars(self).update(parameters)
        return self

    def __sklearn_is_fitted__(self) -> bool:
        """Tell scikit-learn's `check_is_fitted`."""
        return hasattr(self, "neighbours_")

    def __sklearn_tags__(self) -> Tags:
        """Tell scikit-learn that the target is needed and bedrooms may be missing."""
        from sklearn.utils import InputTags, Tags, TargetTags, TransformerTags  # noqa: PLC0415

        return Tags(
            estimator_type="transformer",
            target_tags=TargetTags(required=True),
            transformer_tags=TransformerTags(),
            input_tags=InputTags(allow_nan=True),
        )


def _blocks(clusters: int) -> list[tuple[str, Sequence[str]]]:
    """Return groups and names of the columns that every version has."""
    return [
        *((_GROUPS[name], [name]) for name in NUMERIC),
        *((_GROUPS[name], [f"{name}_per_{other}"]) for name, other in RATIOS),
        *((_GROUPS[name], [f"log_{name}"]) for name in LOGS),
        ("ocean_proximity", [f"{CATEGORY}={name}" for name in CATEGORIES]),
        ("location", location_names(clusters)),
        ("neighbours", NEIGHBOUR_NAMES),
    ]


def _prefixed(prefix: str, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {prefix + name: array for name, array in arrays.items()}


def _part(prefix: str, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }
