"""What people read of a scoring run. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from housing_ml.reporting.markdown import table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from housing_ml.bundle.batch_scoring import ScoreReport
    from housing_ml.releases.records import Release

_MOST_FILES = 20
"""Files that are drawn and listed one by one: those of most rows."""


def sentence(report: ScoreReport, release: Release) -> str:
    """Say how many rows have a price, by which version, and what became of the others."""
    priced = report.rows - report.rejected
    by = f"{release.registered_name} {release.version}"
    others = (
        f"{report.rejected:,} were set aside, each with its reason"
        if report.rejected
        else "none was set aside"
    )
    return f"{priced:,} of {report.rows:,} rows were priced by {by}; {others}."


def picture(reports: Mapping[str, ScoreReport]) -> bytes:
    """Draw the rows of each file, those with a price and those set aside, as a PNG."""
    from housing_ml.reporting.drawing import (  # noqa: PLC0415 - not for each worker of a scoring
        BLUE,
        ORANGE,
        canvas,
        legend,
        png,
    )

    shown = _largest(reports)
    figure, axes = canvas("Rows of each file", height=1.3 + 0.25 * len(shown))
    priced = [report.rows - report.rejected for report in shown.values()]
    aside = [report.rejected for report in shown.values()]
    places = range(len(shown))
    axes.barh(places, priced, color=BLUE, height=0.66, label="priced")
    axes.barh(places, aside, left=priced, color=ORANGE, height=0.66, label="set aside")
    axes.set_yticks(places, [_short(file) for file in shown], fontsize=8, parse_math=False)
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.set_xlabel("rows")
    axes.grid(visible=False, axis="y")
    legend(axes)
    return png(figure)


def summary(reports: Mapping[str, ScoreReport], report: ScoreReport) -> str:
    """Return the whole and the files of most rows in Markdown."""
    rows = [
        {
            "file": _short(file),
            "rows": f"{found.rows:,}",
            "set aside": f"{found.rejected:,}",
            "parts": f"{found.parts:,}",
        }
        for file, found in _largest(reports).items()
    ]
    left = len(reports) - len(rows)
    more = f"\n\nand {left:,} files of fewer rows" if left else ""
    told = "".join(f"\n\n{dialect}" for dialect in report.dialects)
    kept = f", {report.resumed:,} of them from an earlier run" if report.resumed else ""
    whole = f"{report.parts:,} parts in `{report.target}`{kept}, in {report.seconds:,.1f} s."
    return f"# Score\n\n{whole}\n\n{table(rows)}{more}{told}\n"


def _largest(reports: Mapping[str, ScoreReport]) -> dict[str, ScoreReport]:
    ordered = sorted(reports.items(), key=lambda item: -item[1].rows)
    return dict(ordered[:_MOST_FILES])


def _short(file: str) -> str:
    """Return the end of an address, which tells it from the others."""
    return file if len(file) <= 40 else f"…{file[-39:]}"
