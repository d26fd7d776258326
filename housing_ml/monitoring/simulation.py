"""Traffic for a running service: real rows with a chosen fault, and prices that come late.

Each window of the simulation is `seconds` long; give the monitor windows of the same length.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

import msgspec
import numpy as np
from pydantic import Field

from housing_ml.config.base import Config
from housing_ml.data.contract import CATEGORIES, CATEGORY, COLUMNS, NUMERIC, TARGET, to_matrix
from housing_ml.feedback.actual_prices import MAX_FEEDBACK, Feedback, FeedbackRequest
from housing_ml.progress import advance, steps
from housing_ml.records.base import Record

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx
    import pandas as pd
    from numpy.typing import NDArray

    from housing_ml.data.contract import Matrix

    Vector: TypeAlias = NDArray[np.float64]

Fault = Literal["none", "income", "category", "inland", "zeros"]

INFLATION = 1.08
"""Growth of incomes in a year."""
_BATCH = 500
_INCOME, _AGE = COLUMNS.index("median_income"), COLUMNS.index("housing_median_age")
_INLAND, _BAY = CATEGORIES.index("INLAND"), CATEGORIES.index("NEAR BAY")


class SimulationConfig(Config):
    """What is replayed."""

    fault: Fault = Field(
        default="none",
        description="income: 8 % up; category: NEAR BAY disappears; inland: prices double there; "
        "zeros: the age of the houses is 0.",
    )
    windows: int = Field(default=10, ge=1, description="Windows to simulate.")
    fault_from: int = Field(default=5, ge=0, description="First window with the fault, from 0.")
    rows: int = Field(default=1500, ge=1, description="Block groups of a window.")
    seconds: float = Field(default=60.0, ge=0, description="Length of a window.")
    feedback_share: float = Field(default=0.5, ge=0, le=1, description="Prices that come to light.")
    feedback_delay: int = Field(default=1, ge=0, description="Windows that they take.")
    seed: int = Field(default=42, ge=0, description="Seed of the draw of rows.")


class SimulationResult(Record):
    """What was sent."""

    predictions: int = Field(ge=0)
    feedback: int = Field(ge=0)
    versions: tuple[str, ...] = Field(description="Model versions that answered, in that order.")


def apply_fault(raw: Matrix, actual: Vector, fault: Fault) -> tuple[Matrix, Vector]:
    """Return rows (rows, 9) and true prices (rows,) in dollars as they are under the fault."""
    raw = raw.copy()
    if fault == "income":
        raw[:, _INCOME] *= INFLATION
    elif fault == "zeros":
        raw[:, _AGE] = 0.0
    elif fault == "inland":
        actual = np.where(raw[:, -1] == _INLAND, 2 * actual, actual)
    elif fault == "category":
        kept = raw[:, -1] != _BAY
        raw, actual = raw[kept], actual[kept]
    return raw, actual


def simulate(
    config: SimulationConfig,
    frame: pd.DataFrame,
    client: httpx.Client,
    wait: Callable[[float], None] = time.sleep,
) -> SimulationResult:
    """Send windows of rows of `frame` to the service that `client` reaches, and late feedback.

    `frame` has the columns of the contract and the target. The client has the service's address
    and, where it asks for one, a key.

    Raises:
        httpx.HTTPError: when the service cannot be reached, or refuses a request.
    """
    source = _Source(to_matrix(frame), frame[TARGET].to_numpy(), np.random.default_rng(config.seed))
    service = _Service(client)
    waiting: list[list[Feedback]] = []
    for index in steps(range(config.windows), "window"):
        ends = time.monotonic() + config.seconds
        fault = config.fault if index >= config.fault_from else "none"
        raw, actual = apply_fault(*source.draw(config.rows), fault)
        ids = service.predict(raw)
        known = source.generator.permutation(len(ids))[: round(config.feedback_share * len(ids))]
        waiting.append([Feedback(ids[row], float(actual[row])) for row in known.tolist()])
        if index >= config.feedback_delay:
            service.feed(waiting.pop(0))
        wait(max(0.0, ends - time.monotonic()))
    for items in waiting:
        service.feed(items)
    return service.result()


class _Source(NamedTuple):
    raw: Matrix
    actual: Vector
    generator: np.random.Generator

    def draw(self, rows: int) -> tuple[Matrix, Vector]:
        chosen = self.generator.choice(len(self.raw), rows, replace=rows > len(self.raw))
        return self.raw[chosen], self.actual[chosen]


class _Service:
    """The service's API, and what was sent to it."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        self._predictions = self._feedback = 0
        self._versions: dict[str, None] = {}

    def predict(self, raw: Matrix) -> list[str]:
        """Have rows priced; return the ids of the predictions in their order."""
        ids: list[str] = []
        for first in range(0, len(raw), _BATCH):
            rows = _block_groups(raw[first : first + _BATCH])
            answer = self._post("/api/v1/predict", {"instances": rows}).json()
            ids += [item["prediction_id"] for item in answer["predictions"]]
            self._versions[answer["model_version"]] = None
            advance(0.0, len(rows))
        self._predictions += len(ids)
        return ids

    def feed(self, items: list[Feedback]) -> None:
        """Tell the service true prices."""
        for first in range(0, len(items), MAX_FEEDBACK):
            part = items[first : first + MAX_FEEDBACK]
            self._post("/api/v1/feedback", FeedbackRequest(part))
        self._feedback += len(items)

    def result(self) -> SimulationResult:
        return SimulationResult(
            predictions=self._predictions, feedback=self._feedback, versions=tuple(self._versions)
        )

    def _post(self, path: str, document: Any) -> httpx.Response:
        body = msgspec.json.encode(document)
        headers = {"Content-Type": "application/json"}
        return self._client.post(path, content=body, headers=headers).raise_for_status()


def _block_groups(raw: Matrix) -> list[dict[str, Any]]:
    found = []
    for *numbers, code in raw.tolist():
        named = zip(NUMERIC, numbers, strict=True)
        known = {name: value for name, value in named if not math.isnan(value)}
        found.append(known | {CATEGORY: CATEGORIES[int(code)]})
    return found
