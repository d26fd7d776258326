"""The contract applied to a whole table: each value that breaks it, with the rule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from housing_ml.data.contract import (
    CATEGORY,
    CATEGORY_RULE,
    COLUMNS,
    FIELDS,
    TARGET,
    Frame,
    category_codes,
    require_columns,
)
from housing_ml.data.values import to_floats

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Violation(msgspec.Struct, frozen=True):
    """One value that breaks one rule; `row` counts from 0 in the frame that was checked."""

    row: int
    column: str
    value: Any
    rule: str


class Breach(msgspec.Struct, frozen=True):
    """All rows of one column that break one rule: int64 `rows` and the `values` found there."""

    column: str
    rule: str
    rows: NDArray[np.int64]
    values: NDArray[Any]

    def violations(self) -> Iterator[Violation]:
        """Yield one violation per row."""
        for row, value in zip(self.rows.tolist(), self.values.tolist(), strict=True):
            yield Violation(row=row, column=self.column, value=value, rule=self.rule)


def check(frame: Frame, columns: Sequence[str] = (*COLUMNS, TARGET)) -> list[Breach]:
    """Check a whole table against the contract's bounds and categories; report every violation.

    Raises:
        ContractError: when one of `columns` is not in the table.
    """
    require_columns(frame, columns)
    checks = ((name, *_broken(name, frame[name])) for name in columns)
    return [
        Breach(
            column=name,
            rule=rule,
            rows=np.flatnonzero(broken),
            values=np.asarray(frame[name], dtype=object)[broken],
        )
        for name, rule, broken in checks
        if broken.any()
    ]


def _broken(name: str, values: Any) -> tuple[str, NDArray[np.bool_]]:
    if name == CATEGORY:
        return CATEGORY_RULE, category_codes(values) < 0
    field = FIELDS[name]
    floats, not_numbers = to_floats(values)
    inside = (floats >= field.minimum) & (floats <= field.maximum)
    if not field.required:
        inside |= np.isnan(floats) & ~not_numbers
    return field.rule, ~inside
