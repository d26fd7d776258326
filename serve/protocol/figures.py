"""What Prometheus reads of connections."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge, Histogram

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

_WAIT_BUCKETS = (0.01, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0)


class ConnectionFigures:
    """How many connections there are, how long clients kept us waiting, and which were ended."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.open = Gauge(
            "housing_connections",
            "Open connections.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.ended = Counter(
            "housing_connections_ended",
            "Connections that were ended for what the client did or left undone.",
            ["reason"],
            registry=registry,
        )
        self.waits = Histogram(
            "housing_client_wait_seconds",
            "Time until a request was complete that did not arrive at once.",
            buckets=_WAIT_BUCKETS,
            registry=registry,
        )
