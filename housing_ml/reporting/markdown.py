"""Tables and amounts as text.

A comparison is a list of rows, each a mapping of titles to cells, so that the same rows become a
Markdown table here and a table artifact in Prefect.
"""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from housing_ml.config.choices import Parameters


Row = dict[str, str]


EQUITY_TITLES = {"cod": "COD", "prd": "PRD", "prb": "PRB"}
METRIC_TITLES = {"rmse": "RMSE", "mae": "MAE", "r2": "R2", "mape": "MAPE", "wmape": "wMAPE"}


_PLAIN = {"r2": ".4f", "prd": ".3f", "prb": "+.3f"}
"""Formats of the metrics that are plain numbers."""


def table(rows: Sequence[Row]) -> str:
    """Return rows of the same titles as a Markdown table."""
    if not rows:
        return ""
    lines = ["| " + " | ".join(rows[0]) + " |", "|" + "---|" * len(rows[0])]
    cells = ([cell.replace("|", "\\|") for cell in row.values()] for row in rows)
    lines += ["| " + " | ".join(row) + " |" for row in cells]
    return "\n".join(lines)


def amount(metric: str, value: float) -> str:
    """Return a metric's value in its unit: dollars, a plain number, or percent."""
    if metric in {"rmse", "mae"}:
        return f"{value:,.0f} $"
    plain = _PLAIN.get(metric)
    return f"{value:{plain}}" if plain else f"{value:.2%}"


def paragraphs(parts: Sequence[str]) -> str:
    """Return those parts that are not empty, with a blank line between them."""
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


def picture_address(png: bytes) -> str:
    """Return an address that holds the picture itself, for pages that need no other file."""
    return f"data:image/png;base64,{b64encode(png).decode()}"


def parameters_text(values: Parameters) -> str:
    """Return parameters in a line, numbers to three digits."""
    return ", ".join(f"{name} {_short(value)}" for name, value in values.items())


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
