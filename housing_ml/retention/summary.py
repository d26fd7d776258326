"""What people read of a clean-up. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from housing_ml.reporting.markdown import table

if TYPE_CHECKING:
    from housing_ml.records.retention import RetentionReport


def summary(report: RetentionReport) -> str:
    """Return the report in Markdown: what, how many, how much."""
    rows = [
        {
            "what": part.name,
            "how many": f"{part.items:,}",
            "MB": "" if part.size is None else f"{part.size / 1e6:,.1f}",
            "such as": part.problem or ", ".join(part.names[:2]),
        }
        for part in report.parts
        if part.items or part.problem
    ]
    told = table(rows) if rows else "Nothing is older than it may be."
    what_next = (
        "" if report.deleted or not rows else "\n\nDelete it by `housing retention --delete`."
    )
    return f"# Retention\n\n{report}.\n\n{told}{what_next}\n"
