from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from deployments.cloud_run.verify import PLACE
from housing_ml.data.checks import check
from housing_ml.data.contract import (
    CATEGORIES,
    CATEGORY,
    COLUMNS,
    FIELDS,
    NUMERIC,
    TARGET,
    BlockGroup,
    ContractError,
    to_matrix,
)
from housing_ml.data.values import MISSING

if TYPE_CHECKING:
    import pandas as pd


def accepted_by_the_api(place: dict[str, Any]) -> bool:
    try:
        msgspec.convert(place, BlockGroup)
    except msgspec.ValidationError:
        return False
    return True


def accepted_by_the_table_check(place: dict[str, Any]) -> bool:
    return check({name: [value] for name, value in place.items()}, COLUMNS) == []


def test_the_real_data_keep_the_contract(housing_frame: pd.DataFrame) -> None:
    assert check(housing_frame) == []


def as_json(value: object) -> object:
    """What a cell of a table is in a request: a number, null, or text that the API refuses."""
    if not isinstance(value, str):
        return value
    text = value.strip(" \t")
    if text.lower() in MISSING:
        return None
    plain = all(sign in "0123456789.eE+-" for sign in text)
    try:
        return float(text) if plain else value
    except ValueError:
        return value


@given(
    name=st.sampled_from(NUMERIC),
    value=st.one_of(
        st.none(),
        st.text(max_size=5),
        st.text("0123456789.eE+-_ ,\t\x00x", max_size=6),
        st.sampled_from(sorted(MISSING)),
        st.floats(allow_nan=False),
        st.sampled_from([bound for f in FIELDS.values() for bound in (f.minimum, f.maximum)]),
    ),
)
@example(name="total_bedrooms", value="\x00")
@example(name="total_rooms", value="5.")
@example(name="total_rooms", value="1.5")
@example(name="total_bedrooms", value="<NA>")
@example(name="total_rooms", value="1_000")
@example(name="total_rooms", value="\uff11\uff10")
@example(name="total_rooms", value="\u00a05")
def test_api_and_table_check_agree_on_every_value(name: str, value: object) -> None:
    accepted = accepted_by_the_api({**PLACE, name: as_json(value)})

    assert accepted_by_the_table_check({**PLACE, name: value}) == accepted


@given(st.text(max_size=12))
def test_api_and_table_check_agree_on_every_category(name: str) -> None:
    for category in (name, *CATEGORIES):
        place = {**PLACE, CATEGORY: category}
        assert accepted_by_the_api(place) == accepted_by_the_table_check(place)


def test_every_violation_is_reported_with_row_column_value_and_rule(
    housing_frame: pd.DataFrame,
) -> None:
    frame = housing_frame.head(10).astype({"total_rooms": object})
    frame.loc[1, "population"] = math.inf
    frame.loc[2, "total_rooms"] = "many"
    frame.loc[3, "ocean_proximity"] = "MOON"
    frame.loc[4, "median_income"] = math.nan
    frame.loc[5, TARGET] = -1

    found = [violation for breach in check(frame) for violation in breach.violations()]

    assert {(item.row, item.column) for item in found} == {
        (1, "population"),
        (2, "total_rooms"),
        (3, "ocean_proximity"),
        (4, "median_income"),
        (5, TARGET),
    }
    rooms = next(item for item in found if item.column == "total_rooms")
    assert rooms.value == "many"
    assert rooms.rule == "must be a number from 1 to 100000 rooms"


def test_bedrooms_alone_may_be_missing() -> None:
    for name in COLUMNS:
        place = {**PLACE, name: None}
        assert accepted_by_the_table_check(place) == (name == "total_bedrooms")


def test_a_missing_column_is_named() -> None:
    columns = {name: [value] for name, value in PLACE.items() if name != "latitude"}

    with pytest.raises(ContractError, match="missing column latitude"):
        check(columns, COLUMNS)
    with pytest.raises(ContractError, match="missing column latitude"):
        to_matrix(columns)


def test_block_groups_and_table_give_the_same_matrix(housing_frame: pd.DataFrame) -> None:
    frame = housing_frame.iloc[:300]
    records = frame[list(COLUMNS)].astype(object).where(frame.notna(), None).to_dict("records")
    places = msgspec.convert(records, list[BlockGroup])

    np.testing.assert_array_equal(to_matrix(places), to_matrix(frame))


def test_an_unknown_category_and_a_missing_value_have_codes_of_their_own() -> None:
    row = to_matrix({name: [v] for name, v in {**PLACE, CATEGORY: "MOON"}.items()})[0]

    assert row[-1] == -1
    assert math.isnan(
        to_matrix([msgspec.convert({**PLACE, "total_bedrooms": None}, BlockGroup)])[0, 4]
    )


def test_a_matrix_of_another_width_is_refused() -> None:
    with pytest.raises(ContractError, match=r"shape \(2, 3\)"):
        to_matrix(np.zeros((2, 3)))


def test_text_in_a_number_is_refused_with_its_row() -> None:
    columns = {name: [value, value] for name, value in PLACE.items()} | {"households": [1, "two"]}

    with pytest.raises(ContractError, match="households, row 1"):
        to_matrix(columns)
