"""How fair the prices are to assess by, as a table that people read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from housing_ml.reporting.markdown import EQUITY_TITLES, amount

if TYPE_CHECKING:
    from collections.abc import Sequence

    from housing_ml.records.equity import Equity, Ratios
    from housing_ml.reporting.markdown import Row


def equity_rows(equity: Sequence[Equity]) -> list[Row]:
    """Return the figures with bootstrap intervals by part, and below each those without odd ratios.

    What nobody looked at has no rows.
    """
    rows = []
    for item in equity:
        rows.append(_row(item.part, item))
        if item.trimmed:
            odd = item.rows - item.trimmed.rows
            rows.append(_row(f"- without {odd} odd ratio{'s' if odd > 1 else ''}", item.trimmed))
    return rows


def _row(title: str, item: Ratios) -> Row:
    return {"fair to assess by": title, "rows": f"{item.rows:,}"} | {
        title: f"{amount(name, item.named[name])} ({_ends(name, item)})"
        for name, title in EQUITY_TITLES.items()
    }


def _ends(name: str, item: Ratios) -> str:
    return " to ".join(amount(name, end) for end in item.intervals[name])
