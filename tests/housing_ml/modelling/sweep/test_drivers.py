"""Weights & Biases drives a sweep where it has an account; Optuna runs it anywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from housing_ml.modelling.sweep.drivers import resolve

if TYPE_CHECKING:
    import pytest


def test_auto_follows_the_account_and_a_named_driver_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("WANDB_API_KEY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    assert resolve("auto") == "optuna"

    monkeypatch.setenv("WANDB_API_KEY", "k" * 40)
    assert (resolve("auto"), resolve("optuna")) == ("wandb", "optuna")

    monkeypatch.setenv("WANDB_MODE", "offline")
    assert resolve("auto") == "optuna"
