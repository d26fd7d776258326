"""How sizes are told: an amount in its unit, and how two of them compare."""

from __future__ import annotations

import math

from housing_ml.data.contract import FIELDS

UNITS = (12.0, *(10.0**power for power in range(1, 7)))
_UNIT_TOLERANCE = 0.05


def amount(name: str, value: float) -> str:
    """Return a column's value with its unit."""
    return f"{value:,.6g} {FIELDS[name].unit}"


def compared(ratio: float) -> str:
    """Return how many times as large something is; 12 or a power of ten is called a unit."""
    if ratio <= 0:
        return "of another sign"
    size = max(ratio, 1 / ratio)
    for unit in UNITS:
        if abs(math.log(size / unit)) < _UNIT_TOLERANCE:
            of = f"{unit:,.0f}" if ratio > 1 else f"1/{unit:,.0f}"
            return f"{of} times as large: another unit"
    return f"{ratio:.3g} times as large"
