"""A source is held against the champion's before it is split, or against the census."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import numpy as np
import pandas as pd
import pytest

from housing_ml.config.base import ConfigError
from housing_ml.config.choices import ColumnName
from housing_ml.config.retrain import RetrainConfig
from housing_ml.data.census import implausible
from housing_ml.data.contract import CATEGORY, COLUMNS, IDENTITY, TARGET
from housing_ml.data.world import NUMBERS, describe_world
from housing_ml.data.world_check import shifts
from housing_ml.releases.worlds import WorldError, check_world

if TYPE_CHECKING:
    from collections.abc import Callable

    from housing_ml.data.world_record import World

INLAND_EAST = "longitude > -120.5 and longitude < -118.5 and latitude > 35 and latitude < 37.5"


@pytest.fixture(scope="module")
def rows(housing_frame: pd.DataFrame) -> pd.DataFrame:
    return housing_frame.astype(dict.fromkeys(NUMBERS, np.float64))


@pytest.fixture(scope="module")
def world(rows: pd.DataFrame) -> World:
    return describe_world(rows)


@pytest.mark.parametrize("seed", range(6))
def test_bootstrap_copies_and_five_percent_of_ordinary_rows_pass(
    seed: int, rows: pd.DataFrame, world: World
) -> None:
    copy = rows.sample(len(rows), replace=True, random_state=seed)
    ordinary = rows.sample(len(rows) // 20, random_state=seed)
    new = ordinary.assign(population=ordinary["population"] + 1)

    assert shifts(world, copy.drop_duplicates([*IDENTITY])) == []
    assert shifts(world, pd.concat([rows, new])) == []
    assert implausible(copy) == []


@pytest.mark.parametrize("column", [*NUMBERS])
@pytest.mark.parametrize("factor", [0.93, 1000])
def test_a_column_in_another_unit_or_at_another_level_is_named(
    column: str, factor: float, rows: pd.DataFrame, world: World
) -> None:
    found = shifts(world, rows.assign(**{column: rows[column] * factor}))

    assert column in {name for shift in found for name in shift.columns}


@pytest.mark.parametrize(
    ("column", "factor"), [(TARGET, 1e-3), (TARGET, 10), ("median_income", 1e4)]
)
def test_one_row_in_a_hundred_in_another_unit_is_named(
    column: str, factor: float, rows: pd.DataFrame, world: World
) -> None:
    some = rows.index % 100 == 7
    found = shifts(world, rows.assign(**{column: rows[column].mask(some, factor * rows[column])}))

    assert [shift.columns for shift in found] == [(column,)]
    assert "far beyond" in str(found[0])


@pytest.mark.parametrize("column", [*COLUMNS, TARGET])
def test_a_column_that_is_not_that_of_its_row_any_more_is_named(
    column: str, rows: pd.DataFrame, world: World
) -> None:
    order = np.random.default_rng(0).permutation(len(rows))
    found = shifts(world, rows.assign(**{column: rows[column].to_numpy()[order]}))

    assert column in {name for shift in found for name in shift.columns}


def half_of(part: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    return lambda rows: rows.drop(rows.query(part).sample(frac=0.5, random_state=0).index)


@pytest.mark.parametrize(
    ("column", "change"),
    [
        (CATEGORY, lambda rows: rows[rows[CATEGORY] != "ISLAND"]),
        (CATEGORY, lambda rows: rows[rows[CATEGORY] != "NEAR BAY"]),
        ("longitude", half_of(INLAND_EAST)),
        ("longitude", half_of("latitude < 33.2")),
        ("longitude", lambda rows: rows.drop(rows.query(INLAND_EAST).index)),
        ("total_bedrooms", lambda rows: rows.assign(total_bedrooms=np.nan)),
        (TARGET, lambda rows: rows.assign(**{TARGET: rows[TARGET].clip(upper=200_000)})),
        ("latitude", lambda rows: rows.assign(latitude=rows["latitude"] + 0.2)),
    ],
    ids=["island", "bay", "half", "half south", "region", "bedrooms", "capped", "north"],
)
def test_a_part_that_is_missing_or_bent_is_named(
    column: str,
    change: Callable[[pd.DataFrame], pd.DataFrame],
    rows: pd.DataFrame,
    world: World,
) -> None:
    found = shifts(world, change(rows))

    assert column in {name for shift in found for name in shift.columns}


@pytest.mark.parametrize("where", ["LA", "INLAND"])
def test_prices_that_moved_in_one_part_are_noticed(
    where: str, rows: pd.DataFrame, world: World
) -> None:
    part = rows[CATEGORY] == where
    if where == "LA":
        part = rows["longitude"].between(-118, -117) & rows["latitude"].between(33, 34)
    moved = rows.assign(**{TARGET: rows[TARGET].where(~part, 1.07 * rows[TARGET])})

    assert shifts(world, moved)[0].columns == (TARGET,)


def test_a_source_of_the_next_year_has_older_houses_and_passes(
    rows: pd.DataFrame, world: World
) -> None:
    assert shifts(world, rows.assign(housing_median_age=rows["housing_median_age"] + 1)) == []


def test_another_sample_of_the_same_world_passes(rows: pd.DataFrame) -> None:
    first = rows.sample(2_000, random_state=1)
    other = rows.drop(first.index).sample(2_000, random_state=2)

    assert shifts(describe_world(first), other) == []
    assert implausible(other) == []


@pytest.mark.parametrize("column", [TARGET, "median_income", "population"])
@pytest.mark.parametrize("factor", [0.1, 10])
def test_without_a_champion_a_wrong_unit_is_implausible(
    column: str, factor: float, rows: pd.DataFrame
) -> None:
    found = implausible(rows.assign(**{column: rows[column] * factor}))

    assert column in {name for shift in found for name in shift.columns}
    assert "another unit" in str(found[0])


def test_the_message_names_what_was_expected_what_was_found_and_the_switch(
    rows: pd.DataFrame, world: World
) -> None:
    cheap = rows.assign(**{TARGET: rows[TARGET] / 1000})

    with pytest.raises(WorldError) as error:
        check_world(cheap, world, "that of version 7", {})

    for part in (TARGET, "expected a median of", "1/1,000 times as large: another unit"):
        assert part in str(error.value)
    assert "version 7" in str(error.value)
    assert f"--set data.accept_shift.{TARGET}=WHY" in str(error.value)


def test_what_is_accepted_passes_with_its_reason_and_nothing_else_does(
    rows: pd.DataFrame, world: World
) -> None:
    cheap = rows.assign(**{TARGET: rows[TARGET] / 1000})
    accepted = {TARGET: "sold in thousands"}

    (found,) = check_world(cheap, world, "it", accepted).accepted

    assert found.startswith(TARGET)
    assert "sold in thousands" in found
    with pytest.raises(WorldError, match="households"):
        check_world(cheap.assign(households=rows["households"] * 2), world, "it", accepted)


def test_the_switch_takes_columns_of_the_contract_and_a_reason() -> None:
    assert get_args(ColumnName) == (*COLUMNS, TARGET)
    chosen = RetrainConfig.load(None, ["data.accept_shift.median_income=the census of 2000"])
    assert chosen.data.accept_shift == {"median_income": "the census of 2000"}
    for wrong in ("data.accept_shift.income=why", "data.accept_shift.median_income=''"):
        with pytest.raises(ConfigError):
            RetrainConfig.load(None, [wrong])
