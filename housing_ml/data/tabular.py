"""Raw rows as a program has them: frames of any library, lists of dicts, dicts of columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import msgspec
import numpy as np

from housing_ml.data.checks import check
from housing_ml.data.columns import find_columns, known_names
from housing_ml.data.contract import (
    CATEGORIES,
    COLUMNS,
    FIELDS,
    NUMERIC,
    TARGET,
    BlockGroup,
    ContractError,
    Matrix,
    RawData,
    require_columns,
    to_matrix,
)

OPTIONAL = tuple(name for name in NUMERIC if not FIELDS[name].required)
"""Columns that may be missing as a whole, as each of their values may."""

_QUOTED = 10
"""Violations that an error shows."""

_TAKEN = (
    "give a DataFrame (of pandas, Polars or pyarrow), a list of dicts, a dict of columns, or a "
    f"matrix of {len(COLUMNS)} columns"
)


def raw_rows(data: RawData, *, validate: bool = True) -> Matrix:
    """Return raw rows of whatever kind as a `Matrix`.

    Args:
        data: a table with the contract's columns, whatever their case; `total_bedrooms` may lack.
        validate: see that every value keeps the contract, as the API does.

    Raises:
        ContractError: when it is no table, lacks a column, or a value breaks its rule.
    """
    if isinstance(data, np.ndarray):
        matrix = to_matrix(data)
        if validate:
            require_valid(_named(matrix), COLUMNS)
        return matrix
    columns = read_columns(data, tuple(name for name in COLUMNS if name not in OPTIONAL))
    absent = dict.fromkeys(OPTIONAL, np.full(_rows(columns), np.nan))
    columns = absent | columns
    if validate:
        require_valid(columns, COLUMNS)
    return to_matrix(columns)


def read_columns(data: Any, needed: Sequence[str] = (*COLUMNS, TARGET)) -> dict[str, Any]:
    """Return the contract's columns, and the target, of any kind of table.

    Raises:
        ContractError: when it is none, lacks a column of `needed`, or has a column twice.
    """
    names, column = _table(data)
    places = find_columns(list(map(str, names)))
    require_columns(cast("Any", known_names(list(map(str, names)))), needed)
    found = {name: column(names[at]) for name, at in places.items()}
    lengths = {name: len(values) for name, values in found.items()}
    if len(set(lengths.values())) > 1:
        each = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise ContractError(f"the columns differ in length: {each}")
    return found


def require_valid(columns: Any, names: Sequence[str] = (*COLUMNS, TARGET)) -> None:
    """See that every value of a table's columns keeps the contract.

    Raises:
        ContractError: when a column is missing, or a value breaks its rule; it names the first ten.
    """
    found = [violation for breach in check(columns, names) for violation in breach.violations()]
    if found:
        shown = [f"{at.column}, row {at.row}: {at.value!r} {at.rule}" for at in found[:_QUOTED]]
        more = f"{len(found):,} values break the contract:\n" if len(found) > 1 else ""
        raise ContractError(more + "\n".join(shown))


def _table(data: Any) -> tuple[list[Any], Any]:
    """Return a table's column names, and what gives one column's values."""
    if isinstance(data, Mapping):
        for name, values in data.items():
            if isinstance(values, str) or not hasattr(values, "__len__"):
                raise ContractError(f"{name} is one value and no column: give a list of dicts")
        return list(data), lambda name: _listed(data[name])
    if isinstance(data, Sequence) and not isinstance(data, str | bytes):
        rows = [_row(item) for item in data]
        names = list(dict.fromkeys(name for row in rows for name in row)) or list(COLUMNS)
        return names, lambda name: _listed([row.get(name) for row in rows])
    named: Any = getattr(data, "column_names", None)
    named = getattr(data, "columns", None) if named is None else named
    if named is None or not hasattr(data, "__getitem__"):
        raise ContractError(f"cannot take {_kind(data)}: {_TAKEN}")
    return list(named), lambda name: np.asarray(data[name])


def _row(item: Any) -> Mapping[str, Any]:
    if isinstance(item, BlockGroup):
        return msgspec.structs.asdict(item)
    if not isinstance(item, Mapping):
        raise ContractError(f"cannot take a list of {type(item).__name__}: {_TAKEN}")
    return item


def _kind(data: Any) -> str:
    return "nothing" if data is None else f"a {type(data).__name__}"


def _listed(values: Any) -> Any:
    """Return an array; a list's texts keep what NumPy's own type of text would cut off."""
    return (
        np.asarray(values, dtype=object) if isinstance(values, list | tuple) else np.asarray(values)
    )


def _named(matrix: Matrix) -> dict[str, Any]:
    codes = matrix[:, -1]
    known = np.array([*CATEGORIES, None], dtype=object)
    whole = (codes >= 0) & (codes < len(CATEGORIES)) & (codes == np.floor(codes))
    names = known[np.where(whole, codes, -1).astype(np.intp)]
    return {**dict(zip(NUMERIC, matrix.T, strict=False)), COLUMNS[-1]: names}


def _rows(columns: Mapping[str, Any]) -> int:
    return len(next(iter(columns.values()), ()))
