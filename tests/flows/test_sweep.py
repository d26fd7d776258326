"""A search by itself: how much it tries."""

from __future__ import annotations

import pytest

from flows.sweep import searching
from housing_ml.config.retrain import RetrainConfig


@pytest.mark.parametrize("named", [0, 1, 7])
def test_a_search_tries_as_many_as_were_named(named: int) -> None:
    config = RetrainConfig.model_validate({"sweep": {"trials": named}})

    assert searching(config) is config


def test_a_search_that_names_no_number_tries_more_than_a_retrain() -> None:
    config = RetrainConfig.model_validate({"sweep": {"folds": 2}})

    assert config.sweep.trials == 1
    assert searching(config).sweep.trials == 20
    assert searching(config).sweep.folds == 2
