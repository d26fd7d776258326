"""Simulated requests of a canary, for the tests of the watch and its benchmark."""

from __future__ import annotations

import math

import numpy as np

from housing_ml.rollout.counts import Arm, Observation
from housing_ml.rollout.decision import WatchDecision, WatchPolicy, watch
from housing_ml.rollout.pairs import Cluster, bucket
from housing_ml.rollout.routing import to_canary

POLICY = WatchPolicy()
LOOKS = np.unique(np.geomspace(20, 20_000, 40).astype(int))


class Traffic:
    """Requests that canary and champion both priced, in the order they came.

    They are the canary's, and as large a share of the customers' who meet the champion.
    Without customers each request is on its own. A customer asks about one area; every fifth one
    sends batches that are slow as often as not, whichever model prices them.
    """

    def __init__(
        self,
        seed: int,
        *,
        errors: float = 0.0002,
        slow: float = 0.002,
        factor: float = 1.0,
        area: float = 0.1,
        customers: int | None = None,
        batches: bool = False,
        share: float = 0.1,
    ) -> None:
        generator = np.random.default_rng(seed)
        size = int(LOOKS[-1])
        customer = generator.integers(0, customers or size, size)
        names = [f"{seed}-{name}" for name in range(customers or size)]
        asked, place = np.unique(customer, return_inverse=True)
        self.canary = np.array([to_canary(names[who], share, "") for who in asked])[place]
        mirrored = np.random.default_rng([seed, 1]).random(size) < (share if customers else 0)
        self.paired = self.canary | mirrored
        asked, place = np.unique(customer[self.paired], return_inverse=True)
        self.bucket = np.zeros(size, np.int64)
        self.bucket[self.paired] = np.array([int(bucket(names[who]), 16) for who in asked])[place]
        chance, beside = generator.random((2, 2, size))
        heavy = generator.random(size) < 0.01
        if batches:
            slow, quick = np.where(customer % 5, [[slow], [0.002]], [[slow + 0.5], [0.502]])
        else:
            quick = 0.002
        self.errors = chance[0] < errors, beside[0] < 0.0002
        self.slow = (chance[1] < slow) | heavy, (beside[1] < quick) | heavy
        self.log_ratio = (math.log(factor) + generator.normal(0, area, len(names)))[customer]

    def until(self, request: int) -> Observation:
        rows = np.flatnonzero(self.paired[:request])
        (failed, spared), (slow, quick) = self.errors, self.slow
        ones = np.ones(len(failed), np.bool_)
        flags = (ones, failed & ~spared, spared & ~failed, slow & ~quick, quick & ~slow, ones)
        columns = [self._by_bucket(flag, rows).astype(int).tolist() for flag in flags]
        ratios = self._by_bucket(self.log_ratio, rows).tolist()
        clusters = {
            f"{name:x}": Cluster(*counts, log_ratio=ratio)
            for name, (*counts, ratio) in enumerate(zip(*columns, ratios, strict=True))
            if counts[0]
        }
        answered = Arm(requests=int(self.canary[:request].sum()))
        return Observation(canary=answered, pairs={"": clusters})

    def _by_bucket(self, values: np.ndarray, rows: np.ndarray) -> np.ndarray:
        return np.bincount(self.bucket[rows], values[rows].astype(float), 256)


def first_verdict(traffic: Traffic) -> tuple[int, WatchDecision]:
    """The request at which the watch first decides, and the decision."""
    for request in LOOKS:
        decision = watch(traffic.until(request), POLICY, hours=1)
        if decision.action != "wait":
            return int(request), decision
    return int(LOOKS[-1]), decision
