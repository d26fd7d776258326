"""How often a canary is aborted: the champion's equal, and one whose prices are 5 % off.

    python benchmarks/canary.py --runs 200

A customer asks for one area; with batches, every fifth one sends some that are slow half of the
time, whichever model prices them. A probation has 20,000 requests at most; 30 % are the canary's.
"""

from __future__ import annotations

import argparse
import itertools
from typing import Any

import numpy as np

from tests.housing_ml.rollout.traffic import Traffic, first_verdict

CUSTOMERS = (10, 30, 100, 300, None)
MODELS: dict[str, dict[str, Any]] = {
    "equal": {"area": 0.0},
    "as good, areas differ by 5 %": {"area": 0.05},
    "prices 5 % off": {"factor": 1.05, "area": 0.01},
}


def main() -> None:
    """Print the share of probations that end so, and the requests that the canary answered."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100, help="simulated probations per line")
    runs = parser.parse_args().runs
    print(
        f"{'model':<30}{'customers':>10}{'batches':>9}{'aborted':>9}{'promoted':>10}{'answered':>10}"
    )
    for (model, kind), customers, batches in itertools.product(
        MODELS.items(), CUSTOMERS, (False, True)
    ):
        found = [
            first_verdict(Traffic(seed, share=0.3, customers=customers, batches=batches, **kind))[1]
            for seed in range(runs)
        ]
        aborted, promoted = (
            np.mean([item.action == action for item in found]) for action in ("abort", "promote")
        )
        answered = np.median([item.requests for item in found])
        name = f"{customers or 'many'}"
        print(
            f"{model:<30}{name:>10}{batches!s:>9}{aborted:>9.1%}{promoted:>10.1%}{answered:>10.0f}"
        )


if __name__ == "__main__":
    main()
