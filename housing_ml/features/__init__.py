"""The feature matrix, computed with numpy and pykdtree for one row or a million.

`HousingFeatures` is a scikit-learn transformer that does not import scikit-learn. Its fitted state
is plain arrays: the imputer, the clusters' centres, and the training rows with their prices.

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
from housing_ml.features.geography import (
    Floats,
    fit_clusters,
    location_features,
    location_names,
    plane,
)
from housing_ml.features.imputation import Imputer, ImputerState, fit_median, state_from_arrays
from housing_ml.features.neighbours import NAMES as NEIGHBOUR_NAMES
from housing_ml.features.neighbours import Neighbours

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
LOGS = ("total_rooms", "total_bedrooms", "population", "households", "median_income")

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

_AGE = COLUMNS.index("housing_median_age")
_CODE = COLUMNS.index(CATEGORY)
_NUMERATORS = [COLUMNS.index(name) for name, _ in RATIOS]
_DENOMINATORS = [COLUMNS.index(name) for _, name in RATIOS]
_LOGS = [COLUMNS.index(name) for name in LOGS]
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
        raw, prices = _training_rows(X, y)
        self._fit(raw, prices)
        return self

    def fit_transform(self, X: RawData, y: Any) -> Floats:
        """Fit, and return the rows' features with each row's own price left out."""
        raw, prices = _training_rows(X, y)
        order, filled = self._fit(raw, prices)
        columns = np.empty((len(raw), len(self.get_feature_names_out())))
        columns[order] = self._columns(filled, self.neighbours_.leave_one_out())
        return columns

    def _fit(self, raw: Matrix, prices: Floats) -> tuple[NDArray[np.intp], Matrix]:
        """Fit on the rows in a canonical order; return that order and the filled rows in it."""
        order = np.lexsort((prices, *raw.T))
        raw = raw[order]
        self.imputer_ = self.imputer(raw)
        filled = _filled(self.imputer_, raw)
        places = plane(filled[:, :2])
        self.centres_ = fit_clusters(places, self.clusters, self.random_state)
        self.neighbours_ = Neighbours.fit(places, _attributes(filled, _logs(filled)), prices[order])
        self.n_features_in_ = len(COLUMNS)
        return order, filled

    def transform(self, X: RawData) -> Floats:
        """Return float64 (n, f), the neighbour statistics taken over all training rows.

        Raises:
            ValueError: when a value other than the bedrooms is missing or infinite.
        """
        return self._columns(_filled(self.imputer_, to_matrix(X)))

    def _columns(self, filled: Matrix, neighbours: Floats | None = None) -> Floats:
        logs = _logs(filled)
        place = plane(filled[:, :2])
        if neighbours is None:
            neighbours = self.neighbours_.statistics(place, _attributes(filled, logs))
        return np.concatenate(
            [
                filled[:, :_CODE],
                filled.take(_NUMERATORS, axis=1) / filled.take(_DENOMINATORS, axis=1),
                logs,
                filled[:, _CODE:] == _CATEGORY_CODES,
                *location_features(place, self.centres_),
                neighbours,
            ],
            axis=1,
        )

    def get_feature_names_out(self, input_features: object = None) -> NDArray[Any]:  # noqa: ARG002
        """Return the names of the columns, an object array (f,); `input_features` is not used."""
        names = [name for _, names in _blocks(len(self.centres_)) for name in names]
        return np.array(names, dtype=object)

    def groups(self) -> dict[str, tuple[int, ...]]:
        """Return the column numbers of each group of features; every column is in one group."""
        groups: dict[str, tuple[int, ...]] = {}
        column = 0
        for group, names in _blocks(len(self.centres_)):
            groups[group] = (*groups.get(group, ()), *range(column, column + len(names)))
            column += len(names)
        return groups

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the fitted state as arrays by name, for `from_arrays`."""
        return {
            "centres": self.centres_,
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


def _training_rows(X: RawData, y: Any) -> tuple[Matrix, Floats]:
    if y is None:
        raise ValueError(
            "HousingFeatures requires y to be passed, but the target y is None: "
            "the neighbour statistics are averages of prices"
        )
    raw = to_matrix(X)
    prices = np.asarray(y, dtype=np.float64)
    if prices.shape != (len(raw),):
        raise ValueError(f"y has shape {prices.shape}, but X has {len(raw)} rows")
    if not np.isfinite(prices).all():
        raise ValueError("y contains NaN or infinity: leave out the rows without a price")
    if len(raw) < 2:
        raise ValueError(f"n_samples = {len(raw)}, but a row without neighbours has no features")
    return raw, prices


def _filled(imputer: ImputerState, raw: Matrix) -> Matrix:
    filled = imputer.fill(raw)
    if not np.isfinite(filled).all():
        column = COLUMNS[int(np.flatnonzero(~np.isfinite(filled).all(axis=0))[0])]
        raise ValueError(f"{column} contains NaN or infinity: only total_bedrooms may be missing")
    return filled


def _logs(filled: Matrix) -> Floats:
    return np.log(filled.take(_LOGS, axis=1))


def _attributes(filled: Matrix, logs: Floats) -> Floats:
    """Return what makes neighbours alike, (4, n); the columns of `logs` are those of `LOGS`."""
    rooms, _, population, households, income = logs.T
    attributes = np.empty((4, len(filled)))  # np.stack takes 5 microseconds more
    attributes[0] = income
    attributes[1] = filled[:, _AGE]
    attributes[2] = rooms - households
    attributes[3] = population - households
    return attributes


def _blocks(clusters: int) -> list[tuple[str, Sequence[str]]]:
    """Return the columns' groups and names in the order of `HousingFeatures._columns`."""
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
