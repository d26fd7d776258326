"""What a model costs the service: the time of one prediction, and the size of the bundle."""

from __future__ import annotations

from time import perf_counter_ns
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from housing_ml.bundle.model import Bundle
    from housing_ml.data.contract import Matrix

ROUNDS, ROWS = 5, 100


class ServingCost(BaseModel):
    """Measured on the machine that trained."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    microseconds: float = Field(ge=0, description="One row's prediction with its interval.")
    bundle_bytes: int = Field(ge=0, description="All files of the bundle.")


def measure_serving(bundle: Bundle, raw: Matrix) -> ServingCost:
    """Time single rows of `raw` (rows, 9), at least one.

    The median over rows passes over interruptions, and the best of some rounds over a busy machine.
    """
    rows = [raw[index % len(raw)][None] for index in range(ROWS)]
    bundle.predict_matrix(rows[0])
    rounds = [np.median([_nanoseconds(bundle, row) for row in rows]) for _ in range(ROUNDS)]
    return ServingCost(
        microseconds=float(min(rounds)) / 1000,
        bundle_bytes=sum(map(len, bundle.files().values())),
    )


def _nanoseconds(bundle: Bundle, row: Matrix) -> int:
    started = perf_counter_ns()
    bundle.predict_matrix(row)
    return perf_counter_ns() - started
