"""What is learnt of worlds that have moved: nearly what one knows who knows all of today's prices.

The model is a quick one on raw columns; `benchmarks/learning.py` does it with that of a retrain.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from benchmarks.learning import WORLDS, World, known, weeks_behind
from housing_ml.config.data import SplitConfig
from housing_ml.data.contract import TARGET, to_matrix
from housing_ml.data.split import split
from housing_ml.feedback.labelled_rows import merge
from housing_ml.modelling.metrics import metrics

if TYPE_CHECKING:
    import pandas as pd


def fitted(frame: pd.DataFrame) -> HistGradientBoostingRegressor:
    """Return a quick model of the frame's training rows."""
    rows, _, _ = split(frame, SplitConfig())
    with threadpool_limits(limits=1):
        return HistGradientBoostingRegressor(max_iter=40, random_state=0).fit(
            to_matrix(rows), rows[TARGET]
        )


def errors(model: HistGradientBoostingRegressor, judged: pd.DataFrame) -> tuple[float, float]:
    """True wMAPE of a model on held-out rows, where prices moved and elsewhere."""
    moved = judged["part"].to_numpy()
    predicted = model.predict(to_matrix(judged))
    actual = judged[TARGET].to_numpy()
    found = [
        metrics(actual[part], predicted[part]).wmape if part.any() else 0.0
        for part in (moved, ~moved)
    ]
    return found[0], found[1]


@pytest.fixture(scope="module")
def of_before(housing_frame: pd.DataFrame) -> HistGradientBoostingRegressor:
    """The model of the prices of before, in whatever world."""
    return fitted(housing_frame)


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
def test_a_world_that_moved_is_learnt_and_the_rest_is_left_alone(
    world: World, housing_frame: pd.DataFrame, of_before: HistGradientBoostingRegressor
) -> None:
    part = housing_frame.index.isin(housing_frame.query(world.part).index)
    today = housing_frame[TARGET] * np.where(part, world.factor, 1.0)
    truth = housing_frame.assign(**{TARGET: today, "part": part})
    new = known(housing_frame, part, world)
    merged, _ = merge(housing_frame, new)

    _, judged, _ = split(truth, SplitConfig())

    models = of_before, fitted(merged), fitted(truth)
    kept, learnt, oracle = (errors(model, judged) for model in models)

    assert learnt[0] <= (1.2 if world.factor > 1.5 else 1.05) * oracle[0]
    assert learnt[1] <= 1.03 * max(kept[1], oracle[1])
    if world.weeks:
        assert weeks_behind(merged, truth, world) < 8
