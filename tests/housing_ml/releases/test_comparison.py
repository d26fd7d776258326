"""What `housing compare` and `housing history` tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from housing_ml.config.gate import GateConfig
from housing_ml.gate.rival import compare
from housing_ml.modelling.metrics import (
    METRIC_NAMES,
    Bootstrap,
    bootstrap_intervals,
    paired_intervals,
)
from housing_ml.releases.channels import find_release
from housing_ml.releases.comparison import Comparison, compare_releases
from housing_ml.releases.predictions import champion_prices
from housing_ml.releases.publishing import publish
from housing_ml.releases.records import Event
from housing_ml.releases.tables import comparison_rows, history_rows
from housing_ml.settings import Settings
from housing_ml.storage.errors import ReleaseError
from housing_ml.storage.versioned import LocalReleases

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FEW = Bootstrap(samples=300)
GENERATOR = np.random.default_rng(0)
GOOD, BAD = (1 + spread * GENERATOR.random(400) for spread in (0.1, 0.3))


@pytest.fixture
def releases(tmp_path: Path, make_version: Callable[..., Any]) -> LocalReleases:
    settings = Settings(home=tmp_path)
    for version, prices in {"1": BAD, "2": GOOD, "3": GOOD[:200]}.items():
        publish(*make_version(settings, version, prices.tolist()), settings)
    return LocalReleases(settings.releases_path)


def test_the_better_of_two_releases_is_named(releases: LocalReleases) -> None:
    found = compare_releases(releases, "2", "1", FEW)

    assert str(found) == "version 2 is better than version 1"
    assert str(compare_releases(releases, "1", "2", FEW)) == "version 1 is worse than version 2"
    low, high = found.intervals["wmape"]
    assert low <= found.wmape.difference <= high < 0
    assert found.intervals["wmape"] == pytest.approx(found.wmape.interval)
    assert Comparison.model_validate_json(found.model_dump_json()) == found


def test_a_release_differs_from_itself_by_chance_alone(releases: LocalReleases) -> None:
    found = compare_releases(releases, "2", "2", FEW)

    assert "chance explains" in str(found)
    assert set(found.intervals.values()) == {(0, 0)}


def test_only_the_rows_that_both_held_out_count(releases: LocalReleases) -> None:
    assert compare_releases(releases, "3", "1", FEW).rows == 200


def test_a_release_that_nobody_knows_is_named(releases: LocalReleases) -> None:
    with pytest.raises(ReleaseError, match=r"no published version: .* version of 1, 2, 3"):
        compare_releases(releases, "2", "9", FEW)


def test_a_champion_whose_feature_code_is_gone_counts_by_its_published_predictions(
    releases: LocalReleases,
) -> None:
    """Its rows come in another order, and one of them it has never seen."""
    identity = pd.Series([3, 0, 999], dtype="uint64")
    digest = find_release(releases, "2").bundle

    prices = champion_prices(identity, np.zeros((3, 9)), digest, releases)

    assert prices[:2].tolist() == [GOOD[3], GOOD[0]]
    assert np.isnan(prices[2])
    candidate = pd.DataFrame({"identity": identity, "actual": 1.0, "predicted": 1.0})
    found = compare(candidate, prices, GateConfig())
    assert found is not None
    assert found.rows == 2


def test_a_champion_that_nobody_can_ask_has_no_price(releases: LocalReleases) -> None:
    prices = champion_prices(pd.Series([1], dtype="uint64"), np.zeros((1, 9)), "0" * 64, releases)

    assert np.isnan(prices).all()
    candidate = pd.DataFrame({"identity": [1], "actual": 1.0, "predicted": 1.0})
    assert compare(candidate, prices, GateConfig()) is None


def test_paired_intervals_are_narrower_than_those_of_each_side() -> None:
    actual = np.ones(400)
    other = GOOD + 0.01

    paired = paired_intervals(actual, GOOD, other, FEW)
    single = bootstrap_intervals(actual, GOOD, FEW)

    assert set(paired) == set(METRIC_NAMES)
    assert np.ptp(paired["mae"]) < 0.1 * np.ptp(single["mae"])


def test_tables_have_a_row_per_metric_and_per_event_the_latest_first(
    releases: LocalReleases,
) -> None:
    rows = comparison_rows(compare_releases(releases, "2", "1", FEW))
    assert [row["metric"] for row in rows] == list(METRIC_NAMES)
    assert rows[0]["difference (95%)"].startswith("-")

    events = [
        Event(kind="promotion", version=v, bundle="b" * 64, at=f"2026-01-0{v}", by="x", reason="|")
        for v in "12"
    ]
    assert [row["version"] for row in history_rows(events)] == ["2", "1"]
    assert history_rows(events)[0]["why"] == "/"
