"""What Prometheus reads. One object per app, so that two apps in a process do not share figures.

With several workers, `PROMETHEUS_MULTIPROC_DIR` (set by `serve.server`) makes the figures of all
of them one.
"""

from __future__ import annotations

import collections
import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)

from housing_ml.data.contract import COLUMNS
from serve.schemas import Dependency
from serve.telemetry import metric_files

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from serve.schemas import FieldError

_LATENCY_BUCKETS = (
    0.0005,
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
)
_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
_PRICES = np.array([round(10_000 * 1.25**step, -2) for step in range(22)])
"""Upper bounds of the bins of predicted prices, in dollars; each is a quarter above the last."""

_PRICE_LABELS = (*(f"{price:.0f}" for price in _PRICES), "+Inf")
_RATIO_BUCKETS = (0.5, 0.8, 0.9, 0.95, 0.98, 1.02, 1.05, 1.1, 1.25, 2.0)


class Metrics:
    """The service's figures, and how they are counted."""

    def __init__(self) -> None:
        if _FOLDER in os.environ:
            metric_files.allocate_first()
        self.registry = CollectorRegistry()
        self._observers: dict[tuple[str, int], Histogram] = {}
        self._counters: dict[tuple[str, str, int], Counter] = {}
        counter = partial(Counter, registry=self.registry)
        gauge = partial(Gauge, registry=self.registry)
        times = partial(Histogram, buckets=_LATENCY_BUCKETS, registry=self.registry)
        version, probation = ["version", "channel"], ["version", "channel", "outcome"]

        self.latency = times("housing_request_seconds", "Time to answer.", ["route", "status"])
        about = "Block groups priced, by the upper bound of the price's bin in dollars."
        self.predictions = counter("housing_predictions", about, [*version, "price"])
        about = "Offending fields of requests."
        self.validation_errors = counter("housing_validation_errors", about, ["field"])

        about = "Attempts to load a new version."
        self.reloads = counter("housing_model_reloads", about, ["outcome"])
        about = "1 for the version that answers."
        self.model = gauge("housing_model_info", about, version, multiprocess_mode="livemax")

        about = "What became of requests to a canary, and of rows for a shadow."
        self.probations = counter("housing_probation_requests", about, probation)
        about = "Time of a shadow to price a batch."
        self.shadow_seconds = times("housing_shadow_seconds", about, ["version"])
        about = "A shadow's price, divided by the one that was answered."
        self.shadow_ratio = Histogram(
            "housing_shadow_price_ratio",
            about,
            ["version"],
            buckets=_RATIO_BUCKETS,
            registry=self.registry,
        )

        about = "Calls of a source or a storage that failed."
        self.source_failures = counter("housing_source_failures", about, ["source"])
        about = "1 while a source or a storage is left alone because it failed."
        self.source_open = gauge(
            "housing_source_open", about, ["source"], multiprocess_mode="livemax"
        )

        about = "1 while a part cannot write its files."
        self.disk = gauge("housing_disk_failing", about, ["part"], multiprocess_mode="livemax")
        about = "Predictions that the log does not hold."
        self.log_lost = counter("housing_predictions_not_logged", about, ["reason"])
        about = "Segments moved to storage."
        self.log_shipments = counter("housing_log_shipments", about, ["outcome"])
        about = "Predictions that wait to be logged."
        self.log_depth = gauge("housing_log_queue_depth", about, multiprocess_mode="livesum")

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Count one answer and its time."""
        observer = self._observers.get((route, status))
        if observer is None:
            observer = self._observers[route, status] = self.latency.labels(route, str(status))
        observer.observe(seconds)

    def predicted(self, version: str, channel: str, prices: NDArray[np.float64]) -> None:
        """Count block groups that were priced, by their prices (rows,) in dollars."""
        for index, rows in enumerate(np.bincount(_PRICES.searchsorted(prices)).tolist()):
            if not rows:
                continue
            key = (version, channel, index)
            counter = self._counters.get(key)
            if counter is None:
                labels = (version, channel, _PRICE_LABELS[index])
                counter = self._counters[key] = self.predictions.labels(*labels)
            counter.inc(rows)

    def on_probation(self, version: str, channel: str, outcome: str, amount: int = 1) -> None:
        """Count what became of requests to a canary, or of rows for a shadow."""
        self.probations.labels(version, channel, outcome).inc(amount)

    def shadowed(self, version: str, seconds: float, ratios: NDArray[np.float64]) -> None:
        """Count a batch that a shadow priced, and how its prices compare, (rows,)."""
        self.shadow_seconds.labels(version).observe(seconds)
        ratio = self.shadow_ratio.labels(version)
        for value in ratios.tolist():
            ratio.observe(value)

    def source_asked(self, source: str, failed: bool, state: str) -> None:  # noqa: FBT001 - a callback
        """Count a call of a source, and note whether it is left alone from now on."""
        if failed:
            self.source_failures.labels(source).inc()
        self.source_open.labels(source).set(state != "closed")

    def not_logged(self, reason: str, predictions: int) -> None:
        """Count predictions that were made and not logged."""
        self.log_lost.labels(reason).inc(predictions)

    def refused(self, errors: Iterable[FieldError]) -> None:
        """Count offending fields by the contract's names, and all other faults as `body`."""
        names = collections.Counter(error.path.rpartition(".")[2] for error in errors)
        for name, count in names.items():
            self.validation_errors.labels(name if name in COLUMNS else "body").inc(count)

    def dependency(self) -> Dependency | None:
        """Return how the workers' figures are; None when there is one worker."""
        if _FOLDER not in os.environ:
            return None
        if error := metric_files.problem():
            return Dependency("degraded", f"each worker shows its own: {error}")
        return Dependency("ok", "all workers count together")

    def text(self) -> bytes:
        """Return all figures in Prometheus' text format: a worker's own where they are not one."""
        if _FOLDER not in os.environ or metric_files.problem():
            return generate_latest(self.registry)
        _forget_dead_workers()
        merged = CollectorRegistry()
        multiprocess.MultiProcessCollector(merged)  # type: ignore[no-untyped-call]
        return generate_latest(merged)


def _forget_dead_workers() -> None:
    for file in Path(os.environ[_FOLDER]).glob("gauge_live*.db"):
        pid = int(file.stem.rpartition("_")[2])
        if not Path("/proc", str(pid)).exists():
            multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]
