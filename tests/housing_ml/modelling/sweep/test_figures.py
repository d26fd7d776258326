"""What a sweep learnt: figures that follow from its trials, and a page that needs no other file."""

from __future__ import annotations

import numpy as np
import pytest

from housing_ml.modelling.sweep.figures import importances, sweep_figures, sweep_page
from housing_ml.records.sweep import SweepResult, Trial


def result(trials: int, model: str = "random_forest") -> SweepResult:
    """A sweep whose error depends on the depth of the leaves alone; one trial failed."""
    generator = np.random.default_rng(0)
    tried = [
        Trial(
            number=number,
            parameters={
                "min_samples_leaf": int(leaf := generator.integers(1, 20)),
                "max_features": float(generator.uniform(0.2, 0.9)),
            },
            state="complete",
            wmape=0.1 + 0.002 * leaf,
            fold_wmapes=(0.1,),
            seconds=1,
            reason="",
        )
        for number in range(trials)
    ]
    failed = tried[0].model_copy(update={"number": trials, "state": "failed", "wmape": None})
    best = min(tried, key=lambda trial: trial.wmape or 1)
    return SweepResult.model_validate(
        {
            "model": model,
            "best_parameters": best.parameters,
            "best_wmape": best.wmape,
            "trials": [*tried, failed],
            "resumed": 0,
            "stopped": "all <done>",
            "url": "https://wandb.example/sweep",
        }
    )


def test_the_parameter_that_moves_the_error_has_the_importance() -> None:
    found = importances(result(40), ["max_features", "min_samples_leaf"])

    assert list(found) == ["min_samples_leaf", "max_features"]
    assert sum(found.values()) == pytest.approx(1)
    assert found["min_samples_leaf"] > 0.9


def test_figures_are_drawn_from_trials_that_differ_and_the_same_each_time() -> None:
    figures = sweep_figures(result(8))

    assert set(figures) == {"sweep", "sweep_parameters", "sweep_slices", "sweep_importances"}
    assert all(content.startswith(b"\x89PNG") for content in figures.values())
    assert sweep_figures(result(8)) == figures
    assert set(sweep_figures(result(2))) == {"sweep"}


def test_the_page_holds_all_that_it_shows() -> None:
    found = result(8)
    page = sweep_page(found, sweep_figures(found)).decode()

    assert page.count("<img ") == page.count("data:image/png;base64,") == 4
    assert page.count("<tr>") == 1 + len(found.trials)
    assert "all &lt;done&gt;" in page
    assert 'href="https://wandb.example/sweep"' in page
    assert "<script" not in page
    assert "<link" not in page
