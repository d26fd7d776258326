"""The prediction interval beside conformalised quantile regression by MAPIE, on the same rows.

    python -m benchmarks.intervals [--splits 0] [--seed 42]

Both learn from the 13,209 training rows of the published split and are judged on its 4,128 test
rows, then on as many random splits as are asked for, of four fifths and one. All aim at 90 %. MAPIE
boosts the same features by the same parameters for the quantiles of 5, 50 and 95 %: once with a
fifth of the rows held back to conform, and once by cross-conformalisation over five folds, which
serves the mean of five models where ours serves one. MAPIE takes part where the interpreter has it.
Ours is also calibrated on one fold of five, as with more than 100,000 rows.

A line has the coverage in percent, the mean width in dollars, and the interval score (Gneiting and
Raftery, Strictly Proper Scoring Rules, 2007, section 6.2), in dollars: width, plus twenty times
what each price outside lies beyond; less is better.
"""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.model_selection import train_test_split
from threadpoolctl import threadpool_limits

from benchmarks.accuracy_lines import BOOSTING, FEATURES, published_split, random_split, real_rows
from housing_ml.bundle.manifest import Provenance
from housing_ml.config.modelling import TrainingConfig
from housing_ml.modelling.folds import make_fold
from housing_ml.modelling.models import DEFAULTS
from housing_ml.modelling.training import train

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.accuracy_lines import Numbers, Prices, Rows

    Interval = tuple[Prices, Prices]
    Method = Callable[[Rows, Numbers, Numbers, int], Interval]

LEVEL = 0.9


def ours(
    rows: Rows, inside: Numbers, outside: Numbers, seed: int, most_rows: int = 100_000
) -> Interval:
    """Return the ends that a bundle says."""
    provenance = Provenance(data_digest="0" * 64, rows=len(inside), synthetic=False)
    config = TrainingConfig(interval_level=LEVEL, seed=seed, most_rows=most_rows)
    known = rows.raw[inside], rows.prices[inside]
    bundle = train(*known, FEATURES, BOOSTING, {}, config, provenance).bundle
    found = bundle.predict_matrix(rows.raw[outside])
    return found.lower, found.upper


def ours_of_one_fold(rows: Rows, inside: Numbers, outside: Numbers, seed: int) -> Interval:
    """Return the ends that a bundle would say if these rows were too many for all folds."""
    return ours(rows, inside, outside, seed, most_rows=1000)


def split_conformal(rows: Rows, inside: Numbers, outside: Numbers, seed: int) -> Interval:
    """Return the ends of MAPIE's quantile regression, conformed on a fifth of the rows."""
    from mapie.regression import ConformalizedQuantileRegressor  # noqa: PLC0415 - where it is

    fitted, held = train_test_split(inside, test_size=0.2, random_state=seed)
    conform = make_fold(*rows, FEATURES, fitted, held)
    asked = make_fold(*rows, FEATURES, fitted, outside)
    model = ConformalizedQuantileRegressor(_quantiles(seed), confidence_level=LEVEL)
    model.fit(conform.train, conform.train_price)
    model.conformalize(conform.validation, conform.validation_price)
    return _ends(model.predict_interval(asked.validation)[1])


def cross_conformal(rows: Rows, inside: Numbers, outside: Numbers, seed: int) -> Interval:
    """Return the ends of MAPIE's quantile regressions of five folds."""
    from mapie.regression import CrossConformalizedQuantileRegressor  # noqa: PLC0415 - the same

    fold = make_fold(*rows, FEATURES, inside, outside)
    model = CrossConformalizedQuantileRegressor(
        _quantiles(seed), LEVEL, random_state=seed, fit_central_estimator=False
    )
    model.fit_conformalize(fold.train, fold.train_price)
    return _ends(model.predict_interval(fold.validation)[1])


def told(name: str, actual: Prices, interval: Interval) -> str:
    """Return a line."""
    lower, upper = interval
    outside = np.maximum(lower - actual, 0) + np.maximum(actual - upper, 0)
    width = float(np.mean(upper - lower))
    score = width + 2 / (1 - LEVEL) * float(np.mean(outside))
    return f"{name:32} {np.mean(outside == 0):7.2%} {width:9,.0f} {score:9,.0f}"


def main() -> None:
    """Print a line for each method on each split."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--splits", type=int, default=0)
    parser.add_argument("--seed", type=int, default=TrainingConfig().seed)
    chosen = parser.parse_args()
    rows = real_rows()
    methods: dict[str, Method] = {"ours": ours, "ours, one fold": ours_of_one_fold}
    if find_spec("mapie"):
        methods["MAPIE, a fifth held back"] = split_conformal
        methods["MAPIE, five folds"] = cross_conformal
    splits = {"published": published_split(len(rows.raw))}
    splits |= {f"random {n}": random_split(len(rows.raw), n) for n in range(chosen.splits)}
    print(f"{'split, method':32} {'covers':>7} {'width':>9} {'score':>9}")
    for split, (inside, outside) in splits.items():
        for name, method in methods.items():
            with threadpool_limits(limits=1):
                found = method(rows, inside, outside, chosen.seed)
            print(told(f"{split}, {name}", rows.prices[outside], found), flush=True)


def _quantiles(seed: int) -> HistGradientBoostingRegressor:
    return HistGradientBoostingRegressor(
        **{**DEFAULTS["histogram_gradient_boosting"], "loss": "quantile", "quantile": 0.5},
        random_state=seed,
    )


def _ends(intervals: Any) -> Interval:
    """Return lower and upper ends, both (rows,), of MAPIE's (rows, 2, 1)."""
    return intervals[:, 0, 0], intervals[:, 1, 0]


if __name__ == "__main__":
    main()
