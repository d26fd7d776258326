"""Error on rows that no model has seen, and the price of a row, by recipe.

    python benchmarks/accuracy.py [--seeds 3] [--splits 5] [--only NAME]

The published split is that of the papers on these rows: scikit-learn's `train_test_split` with the
seeds 0 and 1, 13,209 rows to train and 4,128 to test. The random splits hold out a fifth each. A
line has the mean RMSE in dollars over the seeds and over the splits, wMAPE and MAPE in percent over
the splits, the seconds of a fit, the microseconds that features and model take for a row, alone and
among a thousand, all of processor time, and the bundle's megabytes. Imputer and clusters are given:
what `fit` chooses besides, it chooses on training rows.

LightGBM and CatBoost take part where the interpreter has them; the project itself needs neither.
On the published split the papers have 39,140 and 39,980 (TabR, an ensemble and one), 42,440 (an
ensemble of TabM) and 42,650 (CatBoost).
"""

from __future__ import annotations

import argparse
import time
from functools import partial
from importlib.util import find_spec
from statistics import fmean
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.model_selection import train_test_split
from threadpoolctl import threadpool_limits

from benchmarks.rows import microseconds
from housing_ml.bundle.manifest import Provenance
from housing_ml.config.choices import FeatureParameters
from housing_ml.config.data import DataConfig
from housing_ml.config.modelling import TrainingConfig
from housing_ml.data.contract import TARGET, to_matrix
from housing_ml.data.source import locate, read_source
from housing_ml.data.table_file import read_table
from housing_ml.modelling.metrics import metrics
from housing_ml.modelling.models import build_pipeline
from housing_ml.modelling.training import train
from housing_ml.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from housing_ml.config.choices import Parameters
    from housing_ml.data.contract import Matrix
    from housing_ml.records.metrics import Metrics

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


def judge(model: Any, rows: Rows, split: tuple[Numbers, Numbers]) -> tuple[Metrics, float]:
    """Fit on one side of a split; return the errors on the other, and the seconds of the fit."""
    inside, outside = split
    known = rows.prices[inside]
    started = time.process_time()
    model.fit(rows.raw[inside], known)
    seconds = time.process_time() - started
    predicted = np.clip(model.predict(rows.raw[outside]), known.min(), known.max())
    return metrics(rows.prices[outside], predicted), seconds


def row_price(rows: Rows, parameters: Parameters) -> str:
    """Return microseconds per row, one and a thousand at a time, and megabytes, of a bundle."""
    provenance = Provenance(data_digest="0" * 64, rows=len(rows.raw), synthetic=False)
    config = TrainingConfig(folds=2)
    bundle = train(*rows, FEATURES, BOOSTING, parameters, config, provenance).bundle
    alone = [rows.raw[row : row + 1] for row in range(ONE)]
    one = microseconds(lambda: [bundle.predict_matrix(row) for row in alone], ONE)
    many = microseconds(lambda: bundle.predict_matrix(rows.raw[:MANY]), MANY)
    size = sum(map(len, bundle.files().values())) / 1e6
    return f"{one:7.0f} {many:7.1f} {size:6.1f}"


def line(name: str, make: Make, rows: Rows, seeds: int, splits: int) -> str:
    """Return a recipe's name, errors and seconds as the start of a line of the table."""
    count = len(rows.raw)
    published = [judge(make(seed), rows, published_split(count)) for seed in range(seeds)]
    random = [judge(make(seed), rows, random_split(count, seed)) for seed in range(splits)]
    held_out = [found for found, _ in random]
    return (
        f"{name:34} {fmean(found.rmse for found, _ in published):9,.0f} "
        f"{fmean(found.rmse for found in held_out):9,.0f} "
        f"{100 * fmean(found.wmape for found in held_out):6.2f} "
        f"{100 * fmean(found.mape for found in held_out):6.2f} "
        f"{fmean(seconds for _, seconds in published):6.1f}"
    )


def ours(parameters: Parameters, seed: int) -> Any:
    """Return the unfitted pipeline of a recipe."""
    return build_pipeline(FEATURES, BOOSTING, parameters, seed)


def rivals() -> dict[str, Make]:
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
            n_estimators=1000, learning_rate=0.05, random_state=seed, verbose=-1
        )
    if find_spec("catboost"):
        from catboost import CatBoostRegressor  # noqa: PLC0415 - the same

        found["CatBoost, raw columns"] = lambda seed: CatBoostRegressor(
            random_seed=seed, verbose=False, thread_count=1
        )
    return found


def main() -> None:
    """Print the table line by line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--only", default="", help="lines whose names have this in them")
    chosen = parser.parse_args()
    rows = real_rows()
    print(
        f"{'recipe':34} {'published':>9} {'random':>9} {'wMAPE':>6} {'MAPE':>6} {'fit s':>6} "
        f"{'one us':>7} {'many us':>7} {'MB':>6}"
    )
    measure = partial(line, seeds=chosen.seeds, splits=chosen.splits)
    with threadpool_limits(limits=1):
        for name, parameters in RECIPES.items():
            if chosen.only in name:
                started = measure(name, partial(ours, parameters), rows)
                print(started, row_price(rows, parameters), flush=True)
        name = "the default, no ocean_proximity"
        if chosen.only in name:
            print(measure(name, partial(ours, {}), rows.without_category()), flush=True)
        for name, make in rivals().items():
            if chosen.only in name:
                print(measure(name, make, rows), flush=True)


if __name__ == "__main__":
    main()
