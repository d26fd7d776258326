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


def errors(frame: pd.DataFrame, truth: pd.DataFrame) -> tuple[float, float]:
    """True wMAPE, where prices moved and elsewhere, of a model of the frame's training rows."""
    rows, _, _ = split(frame, SplitConfig())
    model = HistGradientBoostingRegressor(max_iter=40, random_state=0)
    with threadpool_limits(limits=1):
        model.fit(to_matrix(rows), rows[TARGET])
    _, judged, _ = split(truth, SplitConfig())
    moved = judged["part"].to_numpy()
    predicted = model.predict(to_matrix(judged))
    actual = judged[TARGET].to_numpy()
    found = [
        metrics(actual[part], predicted[part]).wmape if part.any() else 0.0
        for part in (moved, ~moved)
    ]
    return found[0], found[1]


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
def test_a_world_that_moved_is_learnt_and_the_rest_is_left_alone(
    world: World, housing_frame: pd.DataFrame
) -> None:
    part = housing_frame.index.isin(housing_frame.query(world.part).index)
    today = housing_frame[TARGET] * np.where(part, world.factor, 1.0)
    truth = housing_frame.assign(**{TARGET: today, "part": part})
    new = known(housing_frame, part, world)
    merged, _ = merge(housing_frame, new)

    kept, learnt, oracle = (errors(rows, truth) for rows in (housing_frame, merged, truth))

    assert learnt[0] <= (1.2 if world.factor > 1.5 else 1.05) * oracle[0]
    assert learnt[1] <= 1.03 * max(kept[1], oracle[1])
    if world.weeks:
        assert weeks_behind(merged, truth, world) < 8
