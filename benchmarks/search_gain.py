"""What a search's choice gains on rows that it never saw.

    python benchmarks/search_gain.py [--seeds 10] [--trials 4]

A sweep of the default model is cross-validated on the 13,209 training rows of the published split,
once for each seed, which draws folds and trials. What it chooses and the parameters to beat are
fitted on all of these rows and compared on the 3,303 rows to validate on: the difference of wMAPE
in points, better above zero. TPE proposes at random until it has four trials; of no more trials, a
random search is the same search.
"""

from __future__ import annotations

import argparse
from functools import partial
from statistics import fmean, stdev
from typing import TYPE_CHECKING

import numpy as np
import optuna
from sklearn.model_selection import train_test_split
from threadpoolctl import threadpool_limits

from benchmarks.accuracy_lines import FEATURES, real_rows
from benchmarks.sweep import MODEL, STARTUP, by_optuna, search
from housing_ml.config.sweep import SweepConfig
from housing_ml.modelling.folds import make_fold, predict_fold
from housing_ml.modelling.metrics import metrics
from housing_ml.modelling.sweep.choice import choose
from housing_ml.modelling.sweep.objective import Objective

if TYPE_CHECKING:
    from benchmarks.accuracy_lines import Rows
    from housing_ml.config.choices import Parameters


def gains(rows: Rows, trials: int, seed: int) -> dict[str, float]:
    """Return what each kind of search gains, in points of wMAPE."""
    rest, _ = train_test_split(np.arange(len(rows.raw)), test_size=0.2, random_state=0)
    inside, outside = train_test_split(rest, test_size=0.2, random_state=1)
    fold = make_fold(*rows, FEATURES, inside, outside)

    def error(parameters: Parameters) -> float:
        predicted = predict_fold(fold, FEATURES, MODEL, parameters, seed).validation
        return 100 * metrics(fold.validation_price, predicted).wmape

    config = SweepConfig(trials=trials, seed=seed)
    samplers: dict[str, optuna.samplers.BaseSampler] = {
        "TPE": optuna.samplers.TPESampler(seed=seed, n_startup_trials=STARTUP),
        "random": optuna.samplers.RandomSampler(seed=seed),
    }
    objective = Objective(rows.raw[inside], rows.prices[inside], FEATURES, MODEL, {}, config)
    found = {}
    for name, sampler in samplers.items():
        if name == "random" and trials <= STARTUP:
            break
        made = search(objective, trials, partial(by_optuna, sampler), prune=True).trials
        complete = [trial for trial in made if trial.wmape is not None]
        winner = choose(complete, objective.start).winner
        found[name] = error({}) - error(winner.parameters) if winner.number else 0.0
    return found


def main() -> None:
    """Print the gains seed by seed, then their mean and its standard error."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--trials", type=int, default=SweepConfig().trials)
    chosen = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    rows, found = real_rows(), []
    with threadpool_limits(limits=1):
        for seed in range(chosen.seeds):
            found.append(gains(rows, chosen.trials, seed))
            print(seed, {name: round(gain, 3) for name, gain in found[-1].items()}, flush=True)
    for name in found[0]:
        values = [gain[name] for gain in found]
        error = stdev(values) / len(values) ** 0.5
        print(f"{name}: the search gained {fmean(values):.3f} +- {error:.3f} points")


if __name__ == "__main__":
    main()
