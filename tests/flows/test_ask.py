"""A move of prices that the policy does not let through ends with a question to a person."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from flows.retrain import run_retrain
from housing_ml.config.retrain import RetrainConfig
from housing_ml.data.contract import CATEGORY, TARGET, to_matrix
from housing_ml.feedback.actual_prices import Feedback, FeedbackStore
from housing_ml.releases.champion import promote_version
from housing_ml.releases.channels import find_release, history, open_releases, read_channels
from housing_ml.releases.worlds import WorldError
from housing_ml.settings import Settings
from serve.prediction_log import parquet
from serve.prediction_log.segments import Entry, to_columns

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

LEARNER: dict[str, Any] = {
    "imputation": {"candidates": ["median"], "repeats": 1},
    "features": {"cluster_candidates": [0], "folds": 2},
    "selection": {
        "folds": 2,
        "candidates": [
            {
                "model": "histogram_gradient_boosting",
                "grid": {"max_iter": [60], "learning_rate": [0.1]},
            }
        ],
    },
    "sweep": {"trials": 0},
    "training": {"folds": 2},
    "evaluation": {"bootstrap_samples": 100},
    "gate": {
        "bootstrap_samples": 200,
        "max_rmse": 100_000,
        "max_cod": 1.0,
        "max_prd": 2.0,
        "max_prb": 1.0,
        "min_r2": 0.3,
        "max_mape": 0.5,
        "coverage_tolerance": 0.1,
        "max_slice_loss": 0.2,
    },
}


@pytest.mark.usefixtures("prefect_server")
def test_what_the_policy_does_not_allow_asks_and_a_person_closes_the_loop(
    housing_frame: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "housing.csv"
    rows = housing_frame.sample(1_500, random_state=3)
    rows.to_csv(source, index=False)
    for name, value in (("HOME", str(tmp_path / "home")), ("DATA_URL", str(source))):
        monkeypatch.setenv(f"HOUSING_{name}", value)
    monkeypatch.setenv("WANDB_MODE", "disabled")
    monkeypatch.chdir(tmp_path)
    config, storage = RetrainConfig.model_validate(LEARNER), open_releases(Settings())
    first = run_retrain(config, Settings())
    assert first.promoted
    moved = rows[TARGET].where(rows[CATEGORY] != "INLAND", 2 * rows[TARGET])
    feed(rows.assign(**{TARGET: moved}).sample(700, random_state=4))

    asked = run_retrain(config, Settings())

    verdicts = {check.code: check.verdict for check in asked.decision.checks}
    assert (asked.promoted, asked.asked) == (False, True), asked.summary
    assert verdicts["G25"] == "ask"
    assert "INLAND" in str(asked.decision)
    assert f"housing promote {asked.version}" in asked.summary
    assert read_channels(storage)[0].channels["champion"].version == first.version
    assert history(storage)[-1].kind == "question"
    promote_version(storage, asked.version, why="the market did move", by="ann")
    assert read_channels(storage)[0].channels["champion"].version == asked.version
    assert find_release(storage, asked.version).passed_gate

    rows.assign(**{TARGET: rows[TARGET] / 1000}).to_csv(source, index=False)
    with pytest.raises(WorldError, match="another unit"):
        run_retrain(config, Settings())


def feed(rows: pd.DataFrame) -> None:
    """Log predictions of rows, of half their price, and send their prices."""
    moment, storage = datetime.now(UTC), open_releases(Settings())
    predicted = np.outer(rows[TARGET], [0.5, 0.3, 0.7])
    numbers = np.column_stack([to_matrix(rows), predicted]).tobytes()
    ids = [f"prediction-{row}" for row in range(len(rows))]
    content = parquet.encode(to_columns([Entry(moment.timestamp(), "1", "champion", ids, numbers)]))
    storage.write(f"predictions/date={moment.date()}/segment.parquet", content)
    prices = zip(ids, rows[TARGET].tolist(), strict=True)
    FeedbackStore(storage).add([Feedback(name, price) for name, price in prices])
