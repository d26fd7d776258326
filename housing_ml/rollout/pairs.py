"""What a canary and the champion made of the same rows: by caller, and by whom the caller asks for.

Requests of one customer are much alike, so they count together, in a cluster; and a caller chooses
its customers' names, so that the callers are kept apart too. Clusters add up over workers.
"""

from __future__ import annotations

from hashlib import blake2b

import msgspec

_BUCKETS = 256


class Cluster(msgspec.Struct, frozen=True, omit_defaults=True):
    """Requests of one customer, or of few, that both models priced."""

    requests: int = 0
    failed: int = 0
    """Requests that the canary alone failed."""
    spared: int = 0
    """Requests that the champion alone failed."""
    slow: int = 0
    """Requests that the canary alone priced slowly."""
    quick: int = 0
    """Requests that the champion alone priced slowly."""
    priced: int = 0
    log_ratio: float = 0.0
    """Sum over the priced requests of the mean natural logarithm of the prices' ratio."""
    apart: float = 0.0
    """The same of the mean distance of each row's logarithm from the shift that the gate saw."""
    foreseen: float = 0.0
    """The same of the relative error that the canary foresees, less what the champion foresees."""
    known: int = 0
    error: float = 0.0
    """Sum over the known prices of the canary's relative error less the champion's."""

    def __add__(self, other: Cluster) -> Cluster:
        """Return both together."""
        names = self.__struct_fields__
        return Cluster(**{name: getattr(self, name) + getattr(other, name) for name in names})


Pairs = dict[str, dict[str, Cluster]]
"""Clusters by caller, then by bucket of the routing key."""


def bucket(routing_key: str) -> str:
    """Return the bucket of a routing key, the same on every worker; keys are not kept."""
    return f"{blake2b(routing_key.encode(), digest_size=8).digest()[0] % _BUCKETS:x}"


def together(first: Pairs, second: Pairs) -> Pairs:
    """Return the clusters of both."""
    found = {caller: dict(clusters) for caller, clusters in first.items()}
    for caller, clusters in second.items():
        mine = found.setdefault(caller, {})
        for name, cluster in clusters.items():
            mine[name] = mine.get(name, Cluster()) + cluster
    return found
