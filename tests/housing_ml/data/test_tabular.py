"""Rows as people have them in a program: taken, or refused in one sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from housing_ml.data.contract import CATEGORY, COLUMNS, ContractError, to_matrix
from housing_ml.data.tabular import raw_rows

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(scope="module")
def rows(housing_frame: pd.DataFrame) -> pd.DataFrame:
    """Eight real rows, of whole numbers where they count; the last one lacks its bedrooms."""
    found = housing_frame.head(8).copy()
    found.loc[7, "total_bedrooms"] = np.nan
    return found


def polars(frame: pd.DataFrame) -> Any:
    library = pytest.importorskip("polars", reason="Polars is no dependency")
    return library.from_pandas(frame)


KINDS: dict[str, Callable[[pd.DataFrame], Any]] = {
    "frame": lambda frame: frame,
    "Polars": polars,
    "pyarrow": lambda frame: pa.Table.from_pandas(frame, preserve_index=False),
    "dicts": lambda frame: frame.to_dict("records"),
    "dicts without what is missing": lambda frame: [
        {name: value for name, value in row.items() if value == value}  # noqa: PLR0124 - NaN
        for row in frame.to_dict("records")
    ],
    "columns": lambda frame: frame.to_dict("list"),
    "matrix": to_matrix,
    "whole numbers, with NA": lambda frame: frame.astype(
        {"total_rooms": "int64", "households": "int32", "total_bedrooms": "Int64"}
    ),
    "categories": lambda frame: frame.astype({CATEGORY: "category"}),
    "other case and order": lambda frame: frame.rename(columns=str.upper).iloc[:, ::-1],
    "an index column": lambda frame: frame.reset_index(names="Unnamed: 0"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_table_gives_the_same_rows(kind: str, rows: pd.DataFrame) -> None:
    found = raw_rows(KINDS[kind](rows))

    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, to_matrix(rows))


def test_bedrooms_may_be_missing_as_a_whole(rows: pd.DataFrame) -> None:
    found = raw_rows(rows.drop(columns="total_bedrooms"))

    np.testing.assert_array_equal(found, to_matrix(rows.assign(total_bedrooms=np.nan)))


REFUSED: dict[str, tuple[Callable[[pd.DataFrame], Any], str]] = {
    "nothing": (lambda _: None, r"cannot take nothing: give a DataFrame \(of pandas"),
    "text": (lambda _: "rows.csv", "cannot take a str: give a DataFrame"),
    "a column": (lambda frame: frame["longitude"], "cannot take a Series"),
    "one row": (lambda frame: frame.to_dict("records")[0], "longitude is one value and no column"),
    "lists": (lambda frame: frame.to_numpy().tolist(), "cannot take a list of list"),
    "a column twice": (
        lambda frame: pd.concat([frame, frame[["households"]]], axis=1),
        "two columns named households",
    ),
    "lengths": (
        lambda frame: frame.to_dict("list") | {"households": [1.0]},
        "the columns differ in length: .*households 1",
    ),
    "no income": (
        lambda frame: frame.drop(columns="median_income"),
        "missing column median_income",
    ),
    "other columns": (lambda _: [{"price": 1}], "missing columns longitude, .* have price"),
    "too narrow": (lambda frame: frame[["longitude"]].to_numpy(), r"shape \(8, 1\)"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_table_is_told_in_one_sentence(kind: str, rows: pd.DataFrame) -> None:
    make, message = REFUSED[kind]
    with pytest.raises(ContractError, match=message) as error:
        raw_rows(make(rows))
    assert "\n" not in str(error.value)


BROKEN = {
    "an unknown category": ({CATEGORY: "MOON"}, "ocean_proximity, row 0: 'MOON' must be one of"),
    "income in dollars": (
        {"median_income": 83_252},
        "median_income, row 0: 83252.* must be a number",
    ),
    "no households": ({"households": 0}, "households, row 0"),
    "rooms below zero": ({"total_rooms": -880}, "total_rooms, row 0"),
    "swapped coordinates": ({"longitude": 37.88, "latitude": -122.23}, "2 values break"),
    "a truth value": ({"households": True}, "households, row 0: True must be a number"),
    "a missing income": ({"median_income": None}, "median_income, row 0"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_value_that_breaks_the_contract_is_refused_unless_one_asks(
    kind: str, rows: pd.DataFrame
) -> None:
    values, message = BROKEN[kind]
    places: list[dict[str, Any]] = [
        dict(row) | (values if at == 0 else {})
        for at, row in enumerate(rows[list(COLUMNS)].to_dict("records"))
    ]

    with pytest.raises(ContractError, match=message):
        raw_rows(places)
    if kind != "a truth value":
        assert raw_rows(places, validate=False).shape == (8, 9)
        with pytest.raises(ContractError, match=r"row 0.* must be"):
            raw_rows(raw_rows(places, validate=False))
