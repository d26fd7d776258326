"""What workers have seen of a canary and of the champion beside it: counts that add up.

Each worker writes what it has counted since the trial began into a file of its own, as a whole:

    watch/<trial>/<worker>.json

so that no worker waits for another, and one that died still counts. The sum over the files is what
the watch decides on.
"""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

import msgspec

from housing_ml.releases import ReleaseError

if TYPE_CHECKING:
    from housing_ml.releases import Channels, ReleaseStorage

SLOW_SECONDS = 0.05
"""A request that takes longer in the service counts as slow."""

FOLDER = "watch"


class Moments(msgspec.Struct, frozen=True):
    """Count, mean, and sum of squared deviations from it, of numbers seen one by one."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0

    def __add__(self, other: Moments) -> Moments:
        """Return the moments of both together (Chan, Golub and LeVeque, 1983)."""
        count = self.count + other.count
        if not count:
            return self
        gap = other.mean - self.mean
        return Moments(
            count,
            self.mean + gap * other.count / count,
            self.squares + other.squares + gap * gap * self.count * other.count / count,
        )

    def including(self, value: float) -> Moments:
        """Return the moments with one more number."""
        return self + Moments(1, value)


class Arm(msgspec.Struct, frozen=True, kw_only=True):
    """What one of the two models did."""

    requests: int = 0
    errors: int = 0
    """Requests that failed by the model's fault."""
    slow: int = 0
    """Requests that took longer than `SLOW_SECONDS`."""
    log_price: Moments = Moments()
    """Of each request: the mean natural logarithm of its predicted prices in dollars."""
    feedback: Moments = Moments()
    """Of |predicted - actual| / actual, at most 1, of predictions whose price became known."""

    def __add__(self, other: Arm) -> Arm:
        """Return what both did."""
        return Arm(
            **{name: getattr(self, name) + getattr(other, name) for name in self.__struct_fields__}
        )


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker, or all of them, saw of both since the trial began."""

    canary: Arm = Arm()
    champion: Arm = Arm()

    def __add__(self, other: Observation) -> Observation:
        """Return what both saw."""
        return Observation(
            canary=self.canary + other.canary, champion=self.champion + other.champion
        )


def trial_name(channels: Channels) -> str | None:
    """Return the name of the trial that runs; None without a canary.

    Another champion or another share makes another trial: its counts do not mix with the old ones.
    """
    canary, champion = channels.channels.get("canary"), channels.channels.get("champion")
    if canary is None or champion is None:
        return None
    return f"{canary.bundle[:16]}-{champion.bundle[:16]}-{canary.share or 0:g}"


def report(storage: ReleaseStorage, trial: str, worker: str, seen: Observation) -> None:
    """Write all that a worker has seen of a trial, replacing what it wrote before."""
    storage.write(f"{FOLDER}/{trial}/{worker}.json", msgspec.json.encode(seen))


def gather_observations(storage: ReleaseStorage, trial: str) -> Observation:
    """Return the sum of what all workers have seen.

    Raises:
        ReleaseError: when a worker's file is damaged.
    """
    found = (storage.read(name) for name in storage.names(f"{FOLDER}/{trial}"))
    try:
        seen = [msgspec.json.decode(item.content, type=Observation) for item in found if item]
    except msgspec.MsgspecError as error:
        raise ReleaseError(f"a worker's report on trial {trial} is damaged: {error}") from error
    return reduce(Observation.__add__, seen, Observation())
