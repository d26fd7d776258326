"""How soon a search finds good parameters: TPE, random, and a Bayesian search like that of W&B.

    python benchmarks/sweep.py [--data housing.csv] [--rows 2000] [--trials 24] [--seeds 5]

Each tries histogram boosting on the same rows and folds, from the same parameters to beat. W&B's
search fits a Gaussian process with a Matern kernel to the trials, and takes the point of the
largest expected improvement among a thousand random ones. Last come what pruning saves, and what
Optuna's driver costs for each trial in an SQLite file.
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from functools import partial
from itertools import accumulate
from pathlib import Path
from statistics import fmean, stdev
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import optuna
import pandas as pd
from scipy.stats import norm
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import Matern, WhiteKernel

from housing_ml.config.choices import FeatureParameters
from housing_ml.config.sweep import SweepConfig
from housing_ml.data.contract import TARGET, to_matrix
from housing_ml.data.synthetic import generate
from housing_ml.modelling.sweep.objective import Objective
from housing_ml.modelling.sweep.optuna_driver import sweep
from housing_ml.modelling.sweep.study import propose
from housing_ml.modelling.sweep.trials import pruning_limits, run_trial

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from housing_ml.config.choices import Parameters
    from housing_ml.records.sweep import Trial

STARTUP = 4
CANDIDATES = 1000
MODEL = "histogram_gradient_boosting"


class Search(NamedTuple):
    """One search: its trials, and when each one ended, in seconds."""

    trials: list[Trial]
    ends: list[float]

    def best(self) -> list[float]:
        """Return the best wMAPE after each trial, in percent."""
        found = [np.inf if trial.wmape is None else 100 * trial.wmape for trial in self.trials]
        return list(accumulate(found, min))

    def best_after(self, seconds: float) -> float:
        """Return the best wMAPE of the trials that ended by then, in percent."""
        return self.best()[max(0, sum(end <= seconds for end in self.ends) - 1)]


class Instant(Objective):
    """An objective that costs nothing."""

    def fold_wmapes(self, parameters: Parameters) -> Iterator[float]:
        """Yield a number that follows from the parameters."""
        yield 0.1 + 1e-6 * float(parameters["alpha"] or 0)


def by_optuna(sampler: optuna.samplers.BaseSampler, study: optuna.Study, _: Search) -> optuna.Trial:
    """Let a sampler of Optuna's propose the next trial."""
    study.sampler = sampler
    return study.ask()


def by_gaussian_process(seed: int, study: optuna.Study, search: Search) -> optuna.Trial:
    """Propose the point of the largest expected improvement, after a few random ones."""
    generator = np.random.default_rng([seed, len(search.trials)])
    study.sampler = optuna.samplers.RandomSampler(seed=int(generator.integers(2**31)))
    if len(search.trials) < STARTUP:
        return study.ask()
    known = study.get_trials(deepcopy=False, states=[optuna.trial.TrialState.COMPLETE])
    space = known[0].distributions
    drawn = [
        {
            name: study.sampler.sample_independent(study, known[0], name, part)
            for name, part in space.items()
        }
        for _ in range(CANDIDATES)
    ]
    points = np.array(
        [[unit(part, point[name]) for name, part in space.items()] for point in drawn]
    )
    tried = np.array(
        [[unit(part, trial.params[name]) for name, part in space.items()] for trial in known]
    )
    errors = np.array([trial.value for trial in known])
    process = GaussianProcessRegressor(
        Matern(nu=1.5) + WhiteKernel(1e-3), normalize_y=True, n_restarts_optimizer=2, random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        mean, spread = process.fit(tried, errors).predict(points, return_std=True)
    gain = (errors.min() - mean) / spread
    best = int(np.argmax(spread * (gain * norm.cdf(gain) + norm.pdf(gain))))
    study.enqueue_trial(drawn[best])
    return study.ask()


def unit(part: optuna.distributions.BaseDistribution, value: float) -> float:
    """Return where a value lies in its range, from 0 to 1."""
    low, high = np.log([part.low, part.high]) if part.log else (part.low, part.high)
    return float(((np.log(value) if part.log else value) - low) / (high - low))


def search(
    objective: Objective,
    trials: int,
    ask: Callable[[optuna.Study, Search], optuna.Trial],
    *,
    prune: bool = False,
) -> Search:
    """Run a search, one trial at a time."""
    study = optuna.create_study()
    study.enqueue_trial(objective.point)
    found, start = Search([], []), perf_counter()
    for number in range(trials):
        trial = ask(study, found)
        parameters = {**objective.start, **propose(trial, objective)}
        limits = pruning_limits(found.trials, objective.config.folds) if prune else ()
        record = run_trial(objective, number, parameters, limits)
        state = optuna.trial.TrialState
        study.tell(trial, record.wmape, state.PRUNED if record.wmape is None else state.COMPLETE)
        found.trials.append(record)
        found.ends.append(perf_counter() - start)
    return found


def compare(objective: Objective, trials: int, seeds: int) -> None:
    """Print the best wMAPE of each method by trials and by seconds, mean and spread over seeds."""
    found: dict[str, list[Search]] = {
        name: [] for name in ("TPE", "random", "Gaussian process", "TPE, pruned")
    }
    for seed in range(seeds):
        tpe = partial(optuna.samplers.TPESampler, n_startup_trials=STARTUP)
        asks = {
            "TPE": partial(by_optuna, tpe(seed=seed)),
            "random": partial(by_optuna, optuna.samplers.RandomSampler(seed=seed)),
            "Gaussian process": partial(by_gaussian_process, seed),
            "TPE, pruned": partial(by_optuna, tpe(seed=seed)),
        }
        for name, ask in asks.items():
            found[name].append(search(objective, trials, ask, prune=name.endswith("pruned")))
    places = sorted({1, trials // 4, trials // 2, trials})
    budget = min(run.ends[-1] for runs in found.values() for run in runs)
    heads = [*(f"{place} trials" for place in places), f"{budget / 2:.0f} s", f"{budget:.0f} s"]
    print(f"best CV wMAPE, %: mean (standard deviation) over {seeds} seeds")
    print(
        f"{'':18}" + "".join(f"{head:>16}" for head in heads) + f"{'s per trial':>14}{'folds':>8}"
    )
    for name, runs in found.items():
        columns = [[run.best()[place - 1] for run in runs] for place in places]
        columns += [[run.best_after(seconds) for run in runs] for seconds in (budget / 2, budget)]
        cells = "".join(f"{fmean(values):9.3f} ({stdev(values):.3f})" for values in columns)
        seconds = fmean(run.ends[-1] for run in runs) / trials
        folds = sum(len(trial.fold_wmapes) for run in runs for trial in run.trials)
        print(f"{name:18}{cells}{seconds:14.2f}{folds:8}")


def overhead(objective: Objective, trials: int) -> float:
    """Return the seconds that the driver takes for a trial that costs nothing."""
    config = SweepConfig(trials=trials, folds=2)
    instant = Instant(objective.raw, objective.y, objective.features, "ridge", {}, config)
    with tempfile.TemporaryDirectory() as folder:
        start = perf_counter()
        sweep(instant, f"sqlite:///{Path(folder) / 'sweep.db'}", "overhead")
        return (perf_counter() - start) / trials


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="raw block groups; none: a synthetic sample")
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--trials", type=int, default=24)
    parser.add_argument("--seeds", type=int, default=5)
    chosen = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    frame = pd.read_csv(chosen.data) if chosen.data else generate()
    frame = frame.sample(chosen.rows, random_state=0)
    objective = Objective(
        to_matrix(frame),
        frame[TARGET].to_numpy(),
        FeatureParameters(clusters=0),
        MODEL,
        {},
        SweepConfig(folds=3),
    )
    _ = objective.folds
    compare(objective, chosen.trials, chosen.seeds)
    print(f"Optuna's driver: {1000 * overhead(objective, 50):.1f} ms per trial")


if __name__ == "__main__":
    main()
