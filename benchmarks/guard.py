"""How soon the guard takes a broken model back, and how seldom a good one.

    python -m benchmarks.guard [--runs 200]

Each run is a promotion; the guard's hours have 2,000 requests.
"""

from __future__ import annotations

import argparse

import numpy as np

from tests.housing_ml.rollout.guarded import BROKEN, GOOD, REQUESTS, taken_back


def main() -> None:
    """Print, for each model, how often it is taken back, and after how many requests."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200, help="promotions of each model")
    runs = parser.parse_args().runs
    print(f"{'model':32}{'taken back':>12}{'within 10 %':>13}{'median':>8}")
    for name, model in (GOOD | BROKEN).items():
        found = [taken_back(model, seed) for seed in range(runs)]
        requests = [count for count in found if count is not None]
        soon = sum(count <= REQUESTS / 10 for count in requests) / runs
        median = f"{np.median(requests):.0f}" if requests else "-"
        print(f"{name:32}{len(requests) / runs:12.1%}{soon:13.1%}{median:>8}", flush=True)


if __name__ == "__main__":
    main()
