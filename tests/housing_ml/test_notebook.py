"""The library in a notebook: a frame in, a bundle out, and nothing else."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

import housing_ml
from housing_ml.config.retrain import RetrainConfig
from housing_ml.data.contract import TARGET, ContractError

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

QUICK = RetrainConfig(
    imputation={"candidates": ["median", "mean"], "repeats": 1},
    features={"cluster_candidates": [0, 5], "folds": 2},
    selection={
        "candidates": [
            {"model": "ridge"},
            {
                "model": "histogram_gradient_boosting",
                "grid": {"max_iter": [30], "learning_rate": [0.1]},
            },
        ],
        "folds": 2,
    },
    sweep={"trials": 2, "folds": 2},
    training={"folds": 2},
)


def test_a_bundle_is_fitted_saved_and_loaded_without_other_files(
    housing_frame: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = housing_frame.sample(1500, random_state=0)
    bundle = housing_ml.fit(rows[:1200], QUICK)
    assert list(tmp_path.iterdir()) == []

    actual = rows[TARGET].to_numpy()[1200:]
    assert np.abs(bundle.predict(rows[1200:]) / actual - 1).mean() < 0.3
    assert bundle.manifest.provenance.rows == 1200

    bundle.save("model")
    loaded = housing_ml.load_bundle("model")
    np.testing.assert_array_equal(loaded.predict(rows), bundle.predict(rows))
    np.testing.assert_array_equal(loaded.predict_interval(rows), bundle.predict_interval(rows))


def test_a_frame_without_prices_is_refused(housing_frame: pd.DataFrame) -> None:
    with pytest.raises(ContractError, match=TARGET):
        housing_ml.fit(housing_frame.drop(columns=TARGET), QUICK)


def test_a_value_that_breaks_its_rule_is_named(housing_frame: pd.DataFrame) -> None:
    rows = housing_frame[:100].copy()
    rows.loc[7, "households"] = 0
    with pytest.raises(ContractError, match=r"households, row 7: 0\.0 must be a number from 1 to"):
        housing_ml.fit(rows, QUICK)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'train_everything'"):
        _ = housing_ml.train_everything


def test_importing_the_package_is_light_and_a_notebook_needs_no_prefect() -> None:
    code = (
        "import sys, housing_ml; print('numpy' in sys.modules); "
        "housing_ml.fit; print('prefect' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["False", "False"]
