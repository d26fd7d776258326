"""Comparables are the neighbours that the features weigh most."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from housing_ml.features.geography import KILOMETRES_PER_DEGREE
from serve.models.comparables import SHOWN, comparables

if TYPE_CHECKING:
    from tests.serve.conftest import Models


def test_they_are_near_training_rows_with_their_prices(models: Models) -> None:
    bundle, raw = models.first.bundle, models.raw[:50]
    neighbours = bundle.features.neighbours_
    held = set(neighbours.values[0].tolist())

    for row, found in zip(raw, comparables(bundle, raw), strict=True):
        assert len(found) == SHOWN
        away = np.hypot(*(neighbours.places - row[:2] * KILOMETRES_PER_DEGREE).T)
        sixteenth = np.sort(away)[15]
        for one in found:
            assert one.price in held
            assert one.kilometres <= sixteenth + 1e-9


def test_a_training_row_is_most_like_itself(models: Models) -> None:
    """At its own place, with its own income, age, size and crowding, nothing is nearer."""
    bundle = models.first.bundle
    neighbours = bundle.features.neighbours_
    income, age, rooms, persons = neighbours.values[2:6, :20]
    degrees = neighbours.places[:20] / KILOMETRES_PER_DEGREE
    sizes = [np.exp(rooms) * 400, np.full(20, 80.0), np.exp(persons) * 400, np.full(20, 400.0)]
    raw = np.column_stack([degrees, age, *sizes, np.exp(income), np.ones(20)])

    found = comparables(bundle, raw)

    assert [round(best[0].price, 6) for best in found] == neighbours.values[0, :20].tolist()


def test_a_row_has_the_same_comparables_alone_and_among_others(models: Models) -> None:
    bundle, raw = models.first.bundle, models.raw[:20]
    assert comparables(bundle, raw) == [comparables(bundle, raw[[row]])[0] for row in range(20)]
