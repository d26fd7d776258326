"""A real model in service, and weeks of traffic as its log and feedback would hold them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from housing_ml.config.monitoring import MonitorConfig
from housing_ml.data.contract import TARGET, to_matrix
from housing_ml.feedback import actual_prices
from housing_ml.feedback.actual_prices import Batch, Feedback
from housing_ml.monitoring.analysis import MonitorReport, analyse
from housing_ml.releases.channels import move_channels, publish_bundle
from housing_ml.releases.records import Release, TrainingData
from housing_ml.storage.versioned import LocalReleases
from serve.prediction_log import parquet
from serve.prediction_log.segments import Entry, to_columns

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    from housing_ml.bundle.model import Bundle
    from housing_ml.data.contract import Matrix

    Vector = NDArray[np.float64]
    Fault = Callable[[Matrix, Vector, Vector], tuple[Matrix, Vector]]

FIRST = datetime(2026, 5, 4, tzinfo=UTC)
WEEK = timedelta(days=7)
WEEKLY = MonitorConfig(window_minutes=7 * 24 * 60, windows=30)


class Rows(NamedTuple):
    """Rows with their true prices in dollars."""

    raw: Matrix
    actual: Vector

    @classmethod
    def of(cls, frame: pd.DataFrame) -> Rows:
        """Take the rows of a table."""
        return cls(to_matrix(frame), frame[TARGET].to_numpy())


class MonitoredService:
    """Release storage whose champion answers weeks of traffic."""

    def __init__(self, folder: Path, bundle: Bundle, holdout: Rows, seed: int = 0) -> None:
        self.storage = LocalReleases(folder)
        self.bundle = bundle
        self._random = np.random.default_rng(seed)
        publish_bundle(self.storage, bundle.digest, bundle.files())
        lower, upper = bundle.predict_matrix(holdout.raw)[1:]
        error = np.abs(bundle.predict_matrix(holdout.raw).price - holdout.actual)
        coverage = ((lower <= holdout.actual) & (holdout.actual <= upper)).mean()
        release = Release(
            version="1",
            bundle=bundle.digest,
            model="histogram_gradient_boosting",
            metrics={
                "wmape": float(error.sum() / holdout.actual.sum()),
                "coverage": float(coverage),
            },
            data=TrainingData(digest="0" * 64, rows=1, synthetic=False),
            promoted_at=(FIRST - WEEK).isoformat(),
            promoted_by="test",
            reason="test",
        )
        move_channels(self.storage, lambda _: {"champion": release}, if_generation=0)

    def week(
        self,
        index: int,
        rows: Rows,
        *,
        size: int = 1500,
        weights: Vector | None = None,
        fault: Fault | None = None,
    ) -> None:
        """Log a week; half of its prices come in the next one.

        `fault` maps the rows, their true prices and the prices that the model gives as they are to
        what is sent, and what turns out to be true.
        """
        moment = FIRST + index * WEEK + timedelta(days=3)
        drawn = self._random.choice(len(rows.raw), size, replace=weights is not None, p=weights)
        raw, actual = rows.raw[drawn].copy(), rows.actual[drawn]
        if fault:
            raw, actual = fault(raw, actual, self.bundle.predict_matrix(raw).price)
        found = self.bundle.predict_matrix(raw)
        ids = [f"{index}-{row}" for row in range(len(raw))]
        made = Entry.of("1", "champion", ids, raw, found)
        entry = msgspec.structs.replace(made, time=moment.timestamp())
        name = f"predictions/date={moment.date()}/{index}.parquet"
        self.storage.write(name, parquet.encode(to_columns([entry])))
        items = [Feedback(ids[row], float(actual[row])) for row in range(0, len(raw), 2)]
        received = moment + WEEK
        batch = Batch(received.timestamp(), tuple(items))
        name = f"{actual_prices.FOLDER}/date={received.date()}/{index}.json"
        self.storage.write(name, msgspec.json.encode(batch))

    def monitor(self, index: int, config: MonitorConfig = WEEKLY) -> MonitorReport:
        """Run the monitor after that week."""
        return analyse(self.storage, config, FIRST + (index + 1) * WEEK + timedelta(minutes=10))
