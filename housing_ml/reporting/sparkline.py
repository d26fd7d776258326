"""A row of numbers as a small drawing of one line of text."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_BARS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float | None]) -> str:
    """Return a bar for each value, from the least to the greatest; a space where there is none."""
    known = [value for value in values if value is not None]
    low, high = min(known, default=0.0), max(known, default=0.0)
    steps = len(_BARS) - 1
    return "".join(
        " "
        if value is None
        else _BARS[round(steps * (value - low) / (high - low)) if high > low else 0]
        for value in values
    )
