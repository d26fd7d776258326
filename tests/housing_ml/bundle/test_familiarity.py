"""A place or a mixture that training never saw is said to be unfamiliar, and little else is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from deployments.cloud_run.verify import PLACE
from housing_ml.bundle.familiarity import Familiarity, attributes
from housing_ml.config.data import SplitConfig
from housing_ml.data.contract import COLUMNS, to_matrix
from housing_ml.data.split import split
from housing_ml.features.geography import plane

if TYPE_CHECKING:
    from housing_ml.data.contract import Matrix


@pytest.fixture(scope="module")
def sides(housing_frame: pd.DataFrame) -> tuple[Matrix, Matrix]:
    """The training rows and the holdout."""
    training, holdout, _ = split(housing_frame, SplitConfig())
    return to_matrix(training), to_matrix(holdout)


@pytest.fixture(scope="module")
def familiarity(sides: tuple[Matrix, Matrix]) -> Familiarity:
    training, _ = sides
    return Familiarity(plane(training[:, :2]), attributes(training))


def row(**changes: Any) -> Matrix:
    return to_matrix(pd.DataFrame([PLACE | changes])[list(COLUMNS)])


@pytest.mark.parametrize(
    ("place", "kilometres"),
    [
        ({"longitude": -115.5, "latitude": 39.0}, 299),  # Nevada
        ({"longitude": -124.0, "latitude": 36.0}, 191),  # the Pacific
    ],
)
def test_a_place_far_from_every_training_row_is_said(
    familiarity: Familiarity, place: dict[str, float], kilometres: int
) -> None:
    (said,) = familiarity.warnings(row(**place))[0]
    assert said.startswith(f"longitude, latitude: {kilometres} km from the nearest training row")


@pytest.mark.parametrize(
    "houses",
    [
        {"median_income": 0.6, "total_rooms": 30_000},
        {"median_income": 14, "total_rooms": 126},
    ],
)
def test_what_never_came_together_is_said(
    familiarity: Familiarity, houses: dict[str, float]
) -> None:
    (said,) = familiarity.warnings(row(**houses))[0]
    assert said.endswith("no training row is like these together")


def test_a_usual_row_is_not_mentioned(familiarity: Familiarity) -> None:
    assert familiarity.warnings(row()) == {}


def test_at_most_one_of_a_hundred_held_out_rows_is_unfamiliar(
    familiarity: Familiarity, sides: tuple[Matrix, Matrix]
) -> None:
    _, holdout = sides
    far, unlike = familiarity.unfamiliar(holdout)
    assert 0 < np.mean(far | unlike) <= 0.006


def test_the_cells_say_what_the_distances_say(
    familiarity: Familiarity, sides: tuple[Matrix, Matrix]
) -> None:
    _, holdout = sides
    moved = holdout.copy()
    moved[:, :2] += np.random.default_rng(4).normal(0, 0.6, (len(moved), 2))
    far, _ = familiarity.unfamiliar(moved)
    limit = familiarity.kilometres(moved)[far].min()
    assert 0.05 < far.mean() < 0.95
    np.testing.assert_array_equal(far, familiarity.kilometres(moved) >= limit)


def test_a_row_is_judged_alone_as_among_others(
    familiarity: Familiarity, sides: tuple[Matrix, Matrix]
) -> None:
    _, holdout = sides
    moved = holdout[:600].copy()
    moved[::5, :2] += np.random.default_rng(4).normal(0, 0.6, (120, 2))
    many = familiarity.warnings(moved)
    assert many
    for number in (*range(600), *many):
        alone = familiarity.warnings(moved[number : number + 1])
        assert alone.get(0) == many.get(number)


def test_values_that_mean_nothing_are_unfamiliar_and_no_error(familiarity: Familiarity) -> None:
    found = familiarity.warnings(row(households=0, median_income=0))
    assert found[0][-1].endswith("no training row is like these together")
