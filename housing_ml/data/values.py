"""How a cell of a table is read: what is missing, and what is a number. The same for all doors.

Numbers in text are those of CSV files in plain ASCII: an optional sign, digits with at most one
point, an optional exponent; spaces and tabs around them do not count.

    >>> to_floats(["1.5", " 2. ", "NA", "1_000"])
    (array([1.5, 2. , nan, nan]), array([False, False, False,  True]))
"""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

MISSING = frozenset(
    {
        *(
            "",
            "na",
            "n/a",
            "#n/a",
            "#n/a n/a",
            "#na",
            "<na>",
            "null",
            "none",
            "nan",
            "+nan",
            "-nan",
        ),
        *("1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan"),
    }
)
"""Texts that mean "no value", in lower case: those of R, pandas, SQL, Python and spreadsheets."""

NUMBER = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"
"""The grammar of a number in text, as a regular expression for the whole of it."""

BLANKS = " \t"
"""What may stand around a missing value or a number."""

_is_number = re.compile(NUMBER, re.ASCII).fullmatch
_READABLE = (float, int, np.integer, np.floating, Decimal)


def is_missing(text: str) -> bool:
    """Whether a text means that there is no value."""
    return text.strip(BLANKS).lower() in MISSING


def to_floats(values: Any) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return `values` as float64 (rows,) and a mask of those that are no number, such as text.

    Missing values (None, NaN, pandas' NA and the texts of `MISSING`) become NaN and are not in the
    mask.
    """
    array = np.asarray(values)
    if array.dtype.kind in "iuf":
        return array.astype(np.float64), np.zeros(len(array), dtype=np.bool_)
    if array.dtype.kind == "U":  # NumPy cuts NULs off the end of a list's texts
        array = np.asarray(values, dtype=object)
    if array.dtype.kind not in "OT":  # truth values, times: whatever else numpy knows
        return np.full(len(array), np.nan), np.ones(len(array), dtype=np.bool_)
    numbers = [value if type(value) is float else _to_float(value) for value in array.tolist()]
    not_numbers = np.array([number is None for number in numbers], dtype=np.bool_)
    return np.array(numbers, dtype=np.float64), not_numbers


def _to_float(value: Any) -> float | None:
    """Return NaN for a missing value, and None for what is no number."""
    if isinstance(value, str):
        text = value.strip(BLANKS)
        if _is_number(text):
            return float(text)
        return math.nan if text.lower() in MISSING else None
    if value is None or str(value) == "<NA>":
        return math.nan
    if isinstance(value, bool) or not isinstance(value, _READABLE):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None
