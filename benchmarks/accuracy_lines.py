"""What the benchmark of accuracy compares: recipes of ours, all of `fit`, and other learners."""

from __future__ import annotations

from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.model_selection import train_test_split

from benchmarks.rows import microseconds
from housing_ml.bundle.manifest import Provenance
from housing_ml.config.choices import FeatureParameters
from housing_ml.config.data import DataConfig
from housing_ml.config.modelling import TrainingConfig
from housing_ml.config.retrain import RetrainConfig
from housing_ml.data.contract import CATEGORIES, CATEGORY, NUMERIC, TARGET, to_matrix
from housing_ml.data.source import locate, read_source
from housing_ml.data.table_file import read_table
from housing_ml.modelling.models import build_pipeline
from housing_ml.modelling.training import train
from housing_ml.notebook import fit
from housing_ml.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from housing_ml.config.choices import Parameters
    from housing_ml.data.contract import Matrix

    Numbers = NDArray[np.intp]
    Prices = NDArray[np.float64]
    Make = Callable[[int], Any]

FEATURES = FeatureParameters(imputer="median")
BOOSTING = "histogram_gradient_boosting"
RECIPES: dict[str, Parameters] = {
    "100 trees at 0.1": {"max_iter": 100, "learning_rate": 0.1},
    "300 trees at 0.05": {"max_iter": 300, "learning_rate": 0.05},
    "the default": {},
    "1,000 trees at 0.02": {"max_iter": 1000, "learning_rate": 0.02},
}
ONE, MANY = 200, 1000


class Rows(NamedTuple):
    """Raw rows (n, 9) and prices (n,) in dollars."""

    raw: Matrix
    prices: Prices

    def without_category(self) -> Rows:
        """Return the same rows, as if nobody knew what `ocean_proximity` says."""
        raw = self.raw.copy()
        raw[:, -1] = -1
        return Rows(raw, self.prices)


class Line(NamedTuple):
    """A line of the table: what makes an unfitted model of a seed, and the rows it may see.

    `parameters` are those of a recipe, whose bundle has a price for each row; none of the others.
    """

    make: Make
    rows: Rows
    parameters: Parameters | None = None


class AllOfFit:
    """`fit` as a person calls it: it chooses imputer, clusters, model and parameters itself."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def get_params(self) -> dict[str, object]:
        """Return what shapes it."""
        return {"config": RetrainConfig().model_dump_json(), "seed": self.seed}

    def fit(self, raw: Matrix, prices: Prices) -> AllOfFit:
        """Take a matrix of raw rows for the table that `fit` takes."""
        table: dict[str, Any] = dict(zip(NUMERIC, raw.T, strict=False))
        table[CATEGORY] = np.array(CATEGORIES)[raw[:, -1].astype(int)]
        stages = ("imputation", "features", "selection", "sweep", "training")
        config = RetrainConfig.model_validate({stage: {"seed": self.seed} for stage in stages})
        self.bundle_ = fit({**table, TARGET: prices}, config)
        return self

    def predict(self, raw: Matrix) -> Prices:
        """Return dollars."""
        return self.bundle_.predict_matrix(raw).price


def real_rows() -> Rows:
    """Return the rows of the source."""
    source = locate(DataConfig(), Settings())
    frame = read_table(source.address, read_source(source.address, source.expected_sha256))
    return Rows(to_matrix(frame), frame[TARGET].to_numpy(float))


def published_split(rows: int) -> tuple[Numbers, Numbers]:
    """Return the numbers of the rows to train and to test on; those to validate are in neither."""
    rest, test = train_test_split(np.arange(rows), test_size=0.2, random_state=0)
    return train_test_split(rest, test_size=0.2, random_state=1)[0], test


def random_split(rows: int, seed: int) -> tuple[Numbers, Numbers]:
    """Return the numbers of four fifths of the rows and of the others."""
    inside, outside = train_test_split(np.arange(rows), test_size=0.2, random_state=1000 + seed)
    return inside, outside


def row_price(rows: Rows, parameters: Parameters) -> tuple[float, float, float]:
    """Return a bundle's microseconds per row, one and a thousand at a time, and its megabytes."""
    provenance = Provenance(data_digest="0" * 64, rows=len(rows.raw), synthetic=False)
    config = TrainingConfig(folds=2)
    bundle = train(*rows, FEATURES, BOOSTING, parameters, config, provenance).bundle
    alone = [rows.raw[row : row + 1] for row in range(ONE)]
    one = microseconds(lambda: [bundle.predict_matrix(row) for row in alone], ONE)
    many = microseconds(lambda: bundle.predict_matrix(rows.raw[:MANY]), MANY)
    return one, many, sum(map(len, bundle.files().values())) / 1e6


def lines(rows: Rows) -> dict[str, Line]:
    """Return all lines by name."""

    def ours(parameters: Parameters, seed: int) -> Any:
        return build_pipeline(FEATURES, BOOSTING, parameters, seed)

    found = {
        name: Line(partial(ours, parameters), rows, parameters)
        for name, parameters in RECIPES.items()
    }
    found["fit, all that it chooses"] = Line(AllOfFit, rows)
    found["no ocean_proximity, the default"] = Line(partial(ours, {}), rows.without_category())
    return found | {name: Line(make, rows) for name, make in _rivals().items()}


def _rivals() -> dict[str, Make]:
    """Return what is fitted to the raw columns, by name."""
    found: dict[str, Make] = {
        "histogram boosting, raw columns": lambda seed: HistGradientBoostingRegressor(
            max_iter=500, learning_rate=0.05, early_stopping=False, random_state=seed
        ),
        "random forest, raw columns": lambda seed: RandomForestRegressor(random_state=seed),
    }
    if find_spec("lightgbm"):
        from lightgbm import LGBMRegressor  # noqa: PLC0415 - only where it is installed

        found["LightGBM, raw columns"] = lambda seed: LGBMRegressor(
            n_estimators=1000, learning_rate=0.05, random_state=seed, verbose=-1, n_jobs=1
        )
    if find_spec("catboost"):
        from catboost import CatBoostRegressor  # noqa: PLC0415 - the same

        found["CatBoost, raw columns"] = lambda seed: CatBoostRegressor(
            random_seed=seed, verbose=False, thread_count=1
        )
    return found
