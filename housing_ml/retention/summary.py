"""What people read of a clean-up. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from housing_ml.reporting.drawing import BLUE, GREY, INK, canvas, png
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


def sentence(report: RetentionReport) -> str:
    """Say what went or may go, and why."""
    failed = [part.name for part in report.parts if part.problem]
    unseen = f"; not looked at: {', '.join(failed)}" if failed else ""
    if not any(part.items for part in report.parts):
        return f"Nothing is older than it may be{unseen}."
    asked = "" if report.deleted else ", and nothing was deleted, for nobody asked for it"
    return f"{report}: no channel, no window and no study needs them{asked}{unseen}."


def picture(report: RetentionReport) -> bytes:
    """Draw how much of each kind went or may go, as a PNG."""
    parts = report.parts
    figure, axes = canvas("What nobody needs any more", height=1.1 + 0.25 * len(parts))
    sizes = [(part.size or 0) / 1e6 for part in parts]
    colours = [GREY if part.problem else BLUE for part in parts]
    drawn = axes.barh(range(len(parts)), sizes, color=colours, height=0.66)
    words = ["not looked at" if part.problem else f"{part.items:,}" for part in parts]
    axes.bar_label(drawn, words, padding=5, fontsize=8, color=INK)
    axes.set_yticks(range(len(parts)), [part.name for part in parts], fontsize=8)
    axes.set_ylim(len(parts) - 0.5, -0.5)
    axes.set_xlim(0, max([*sizes, 0.01]) * 1.15)
    axes.set_xlabel("MB; the number of things beside each bar")
    axes.grid(visible=False, axis="y")
    return png(figure)
