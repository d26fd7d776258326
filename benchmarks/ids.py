"""What a prediction's id costs: made while the answer waits, and proved when the price comes.

    python benchmarks/ids.py

The least of many rounds, on a machine that is otherwise quiet.
"""

from __future__ import annotations

from timeit import repeat
from typing import TYPE_CHECKING

import numpy as np

from housing_ml.feedback.prediction_ids import PredictionIds

if TYPE_CHECKING:
    from collections.abc import Callable

_TURNS = 200


def microseconds(function: Callable[[], object], rows: int = 1) -> float:
    """Return the least mean time of a call, for each row."""
    return min(repeat(function, number=_TURNS, repeat=15)) / _TURNS / rows * 1e6


def main() -> None:
    """Print microseconds for each id."""
    ids = PredictionIds([b"a key of the deployment, 32 bytes"])
    for rows in (1, 16, 1000):
        raw = np.random.default_rng(0).random((rows, 9))
        cost = microseconds(lambda raw=raw: ids.issue("agency", "42", raw), rows)  # type: ignore[misc]
        print(f"made for {rows:>4} rows at a time: {cost:.2f} us each")
    name = ids.issue("agency", "42", np.zeros((1, 9)))[0]
    print(f"proved: {microseconds(lambda: ids.was_given(name, 'agency')):.2f} us")


if __name__ == "__main__":
    main()
