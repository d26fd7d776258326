"""How often the gate promotes: models that are just as good (wrongly), and better ones (rightly).

    python benchmarks/gate.py --rows 4058 --runs 1000

Errors are simulated like those on the real holdout: prices with a standard deviation of 0.57 in
their logarithm, relative errors of coefficient of variation 1.7. `spread` is the standard deviation
of the difference of two models' errors, in units of the mean error: 0.46 was measured between
histogram boosting and a random forest, and less is found between models that are alike.
"""

from __future__ import annotations

import argparse
from time import perf_counter

import numpy as np

from housing_ml.config.gate import GateConfig
from housing_ml.modelling.metrics import Bootstrap, paired_bootstrap

VARIATION = 1.7
SPREADS = (0.2, 0.46)
GAINS = (0.0, 0.005, 0.01, 0.02, 0.03)


def promoted(rows: int, spread: float, gain: float, seed: int, config: GateConfig) -> bool:
    """Whether a candidate with a true relative gain in wMAPE passes the comparison."""
    generator = np.random.default_rng(seed)
    actual = generator.lognormal(12.1, 0.57, rows)
    shared = generator.lognormal(0, np.sqrt(np.log1p(VARIATION**2)), rows)
    own = np.sqrt(np.log1p(spread**2 / (2 * (1 + VARIATION**2))))
    candidate, champion = 0.07 * shared * actual * generator.lognormal(0, own, (2, rows))
    bootstrap = Bootstrap(samples=500, confidence=config.confidence, seed=seed)
    found = paired_bootstrap(actual, actual + candidate * (1 - gain), actual + champion, bootstrap)
    return found.interval.high < 0.0 - config.minimum_gain * found.champion


def main() -> None:
    """Print the share of promotions by true gain."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=4058, help="rows of the holdout")
    parser.add_argument("--runs", type=int, default=500, help="simulated candidates per line")
    chosen = parser.parse_args()
    config = GateConfig()
    level = (1 - config.confidence) / 2
    print(f"{chosen.rows:,} rows; equally good models may be promoted in {level:.1%} of the cases")
    print(f"{'spread':>8}{'true gain':>12}{'promoted':>12}{'+-':>8}{'seconds':>10}")
    for spread in SPREADS:
        for gain in GAINS:
            started = perf_counter()
            share = np.mean(
                [promoted(chosen.rows, spread, gain, run, config) for run in range(chosen.runs)]
            )
            error = 2 * np.sqrt(share * (1 - share) / chosen.runs)
            seconds = perf_counter() - started
            print(f"{spread:>8}{gain:>12.1%}{share:>12.1%}{error:>8.1%}{seconds:>10.1f}")


if __name__ == "__main__":
    main()
