"""Simulated requests after a promotion, for the tests of the guard and its benchmark."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from housing_ml.rollout.counts import Observation
from housing_ml.rollout.guard import guard
from housing_ml.rollout.pairs import Cluster

REQUESTS = 2000
"""Of the guard's hours."""
LOOKS = (5, 10, 20, 30, 50, 75, 100, 150, 200, 300, 400, 600, 800, 1000, 1500, 2000)
BUCKETS = 256


class Model(NamedTuple):
    """A new champion beside the old one. The defaults are those of an honest retrain.

    Two small models of other halves of the rows move prices by 0.08 on average, as logarithms.
    """

    failing: float = 0.0005
    slow: float = 0.003
    factor: float = 1.0
    noise: float = 0.1
    """Standard deviation of the logarithm of new over old price."""
    constant: bool = False
    """Every price is the same."""
    foreseen: float = 0.0
    """Rise of the error that it foresees of itself."""


GOOD = {
    "as good": Model(),
    "another kind of model": Model(noise=0.13),
    "levels moved by 3 %": Model(factor=1.03),
    "surer by 2 points": Model(foreseen=-0.02),
    "less sure by 2 points": Model(foreseen=0.02),
}
BROKEN = {
    "every request fails": Model(failing=1.0),
    "every fourth request fails": Model(failing=0.25),
    "every price is not a number": Model(failing=1.0),
    "slow, always": Model(slow=1.0),
    "slow, every fourth": Model(slow=0.25),
    "one price for all": Model(constant=True),
    "prices doubled": Model(factor=2.0),
    "prices a quarter too high": Model(factor=1.25),
    "prices a quarter too low": Model(factor=0.75),
    "a column scrambled": Model(noise=0.5),
    "foresees twice the error": Model(foreseen=0.12),
}


def taken_back(model: Model, seed: int) -> int | None:
    """Return after how many requests the guard takes the model back; None: it stays."""
    generator = np.random.default_rng(seed)
    bucket = generator.integers(0, BUCKETS, REQUESTS)
    failing, sparing, slow, quick = (
        generator.random(REQUESTS) < share for share in (model.failing, 0.0005, model.slow, 0.003)
    )
    old = generator.normal(12.1, 0.55, REQUESTS)
    ratio = np.log(model.factor) + generator.normal(0, model.noise, REQUESTS)
    if model.constant:
        ratio = 12.1 - old
    foreseen = generator.normal(model.foreseen, 0.02, REQUESTS)
    priced = ~failing & ~sparing
    columns = {
        "requests": np.ones(REQUESTS),
        "failed": failing & ~sparing,
        "spared": sparing & ~failing,
        "slow": slow & ~quick & priced,
        "quick": quick & ~slow & priced,
        "priced": priced,
        "log_ratio": ratio * priced,
        "apart": np.abs(ratio) * priced,
        "foreseen": foreseen * priced,
    }
    for look in LOOKS:
        sums = {
            name: np.bincount(bucket[:look], values[:look].astype(float), BUCKETS)
            for name, values in columns.items()
        }
        if guard(Observation(pairs={"": _clusters(sums)})).reasons:
            return look
    return None


def _clusters(sums: dict[str, np.ndarray]) -> dict[str, Cluster]:
    real = {"log_ratio", "apart", "foreseen"}
    return {
        f"{place:x}": Cluster(
            **{
                name: float(values[place]) if name in real else round(values[place])
                for name, values in sums.items()
            }
        )
        for place in np.flatnonzero(sums["requests"]).tolist()
    }
