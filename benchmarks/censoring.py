"""What a cap hides, and whether prices at it are better learnt from as "this or more".

    python -m benchmarks.censoring [--cap 350001] [--splits published 0 1] [--seeds 42]
                                   [--trees 200]

Prices above the cap are set to it in the training rows; the truth of the held-out rows is known. A
line has the error on the rows that the cap hides, on the others and on all, as wMAPE in percent
and RMSE in dollars, and both where truth and prediction end at the cap, which is what a holdout
shows of a cap that is real. Ways to learn from rows at the cap:

- as they are: the cap is their price, as in `train`;
- Pareto: all have the mean of a Pareto tail, whose exponent the dear prices below the cap tell;
- normal: each has its expected price above the cap, from its price out of fold and the model of
  its spread, as of normal errors;
- Buckley-James: the same, of errors as they are found (Kaplan-Meier), once or twice.

The neighbours of a row have the prices that are learnt from; for "neighbours alone" they have
those of the normal way, and the price that is learnt stays at the cap. The cap of the data
themselves is 500,001: with `--cap 500001` the last column is the only one that means something.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.stats import norm
from sklearn.ensemble import HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from benchmarks.accuracy_lines import (
    BOOSTING,
    FEATURES,
    Rows,
    published_split,
    random_split,
    real_rows,
)
from housing_ml.modelling.folds import make_fold, predict_fold, splitter
from housing_ml.modelling.metrics import metrics
from housing_ml.modelling.models import estimator, features_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.accuracy_lines import Prices
    from housing_ml.config.choices import Parameters
    from housing_ml.data.contract import Matrix

TAIL = 0.75
"""Of the cap: from there on the dear prices tell the exponent of the Pareto tail."""


class Learnt(NamedTuple):
    """A way's name, the prices that the model learns, and those that the features know."""

    name: str
    prices: Prices
    neighbours: Prices


class Learner:
    """Fits the default model, with fewer trees, to prices of some training rows."""

    def __init__(self, raw: Matrix, trees: int, seed: int) -> None:
        self.raw, self.seed = raw, seed
        self.parameters: Parameters = {"max_iter": trees, "learning_rate": 0.035 * 500 / trees}

    def predict(self, learnt: Learnt, raw: Matrix) -> Prices:
        """Return the prices of other rows, by a model of all of these."""
        features = features_for(FEATURES)
        matrix = features.fit_transform(self.raw, learnt.neighbours)
        model = estimator(BOOSTING, self.parameters, self.seed).fit(matrix, learnt.prices)
        found: Prices = model.predict(features.transform(raw))
        return found

    def out_of_fold(self, prices: Prices) -> Prices:
        """Return the prices of these rows, each by a model that did not see it."""
        found = np.empty(len(prices))
        for inside, outside in splitter(5, self.seed).split(self.raw):
            fold = make_fold(self.raw, prices, FEATURES, inside, outside)
            predicted = predict_fold(fold, FEATURES, BOOSTING, self.parameters, self.seed)
            found[outside] = predicted.validation
        return found


def pareto(prices: Prices, cap: float) -> Prices:
    """Return the prices with the mean of a Pareto tail in place of the cap."""
    start = TAIL * cap
    dear = prices[prices >= start]
    exponent = (dear < cap).sum() / np.log(dear / start).sum()
    mean = cap * exponent / (exponent - 1) if exponent > 1 else cap
    return np.where(prices >= cap, mean, prices)


def spread(raw: Matrix, prices: Prices, price: Prices, cap: float, seed: int) -> Prices:
    """Return the standard deviation that rows below the cap tell of all."""
    below = prices < cap
    known = np.column_stack([raw, price])
    model = HistGradientBoostingRegressor(
        max_iter=80, learning_rate=0.07, max_leaf_nodes=16, min_samples_leaf=60, random_state=seed
    )
    model.fit(known[below], np.sqrt(np.abs(prices - price)[below]))
    found = np.square(np.maximum(model.predict(known), 50.0))
    size: float = np.sqrt(np.mean(np.square((prices - price)[below] / found[below])))
    scaled: Prices = found * size
    return scaled


def normal(prices: Prices, price: Prices, deviation: Prices, cap: float) -> Prices:
    """Return the prices with what is expected above the cap, of normal errors, in its place."""
    z = (cap - price) / deviation
    expected = price + deviation * np.exp(norm.logpdf(z) - norm.logsf(z))
    return np.where(prices >= cap, expected, prices)


def buckley_james(prices: Prices, price: Prices, deviation: Prices, cap: float) -> Prices:
    """Return the prices with what is expected above the cap, of errors as they are found."""
    known, error = prices < cap, (prices - price) / deviation
    order = np.lexsort((~known, error))
    ordered, events = error[order], known[order].copy()
    events[-1] = True  # the largest error ends the distribution
    at_risk = len(error) - np.arange(len(error))
    after = np.cumprod(1 - events / at_risk)
    mass = np.concatenate([[1.0], after[:-1]]) - after
    beyond = np.concatenate([np.cumsum((mass * ordered)[::-1])[::-1], [0.0]])
    left = np.concatenate([[1.0], after])
    position = np.searchsorted(ordered, error, side="right")
    last = ordered[-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(left[position] > 0, beyond[position] / left[position], last)
    expected = np.maximum(price + deviation * mean, cap)
    return np.where(known, prices, expected)


def ways(learner: Learner, prices: Prices, cap: float) -> Iterator[Learnt]:
    """Yield what each way learns from."""

    def both(name: str, found: Prices) -> Learnt:
        return Learnt(name, found, found)

    yield both("as they are", prices)
    yield both("Pareto", pareto(prices, cap))
    price = learner.out_of_fold(prices)
    deviation = spread(learner.raw, prices, price, cap, learner.seed)
    expected = normal(prices, price, deviation, cap)
    yield both("normal", expected)
    yield Learnt("neighbours alone", prices, expected)
    once = buckley_james(prices, price, deviation, cap)
    yield both("Buckley-James", once)
    price = learner.out_of_fold(once)
    deviation = spread(learner.raw, prices, price, cap, learner.seed)
    yield both("Buckley-James twice", buckley_james(prices, price, deviation, cap))


def measure(rows: Rows, split: str, seed: int, cap: float, trees: int) -> None:
    """Print a line for each way on one split."""
    size = len(rows.prices)
    inside, outside = (
        published_split(size) if split == "published" else random_split(size, int(split))
    )
    learner = Learner(rows.raw[inside], trees, seed)
    truth, low = rows.prices[outside], rows.prices[inside].min()
    hidden = truth > cap
    average = f", worth {truth[hidden].mean():,.0f} dollars on average" if hidden.any() else ""
    print(f"\n{split}, seed {seed}: {hidden.sum()} of {len(truth)} rows hidden{average}")
    print("| way | predicted for hidden | hidden | others | all | all, ended at the cap |")
    for learnt in ways(learner, np.minimum(rows.prices[inside], cap), cap):
        price = np.clip(learner.predict(learnt, rows.raw[outside]), low, learnt.prices.max())
        ended = np.minimum(truth, cap), np.minimum(price, cap)
        cells = [
            f"{price[hidden].mean():,.0f}" if hidden.any() else "",
            _error(truth[hidden], price[hidden]) if hidden.any() else "",
            _error(truth[~hidden], price[~hidden]),
            _error(truth, price),
            _error(*ended),
        ]
        print("|", " | ".join([learnt.name, *cells]), "|", flush=True)


def _error(truth: Prices, price: Prices) -> str:
    found = metrics(truth, price)
    return f"{100 * found.wmape:.2f} % {found.rmse:,.0f}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cap", type=float, default=350_001)
    parser.add_argument("--splits", nargs="+", default=["published", "0", "1"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[42])
    parser.add_argument("--trees", type=int, default=200)
    asked = parser.parse_args()
    rows = real_rows()
    with threadpool_limits(limits=1):
        for split in asked.splits:
            for seed in asked.seeds:
                measure(rows, split, seed, asked.cap, asked.trees)


if __name__ == "__main__":
    main()
