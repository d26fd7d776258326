"""What people read of the gate: its checks, and what the candidate makes of the latest traffic.

Pure: records in, text out.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from housing_ml.reporting.markdown import Row, amount, paragraphs, table

if TYPE_CHECKING:
    from housing_ml.records.gate import GateDecision, Traffic

_MOST_MOVED = "**The logged rows whose price moves most**, beyond what new prices explain:"


def gate_rows(decision: GateDecision) -> list[Row]:
    """Return the gate's checks with their verdicts and reasons."""
    return [
        {
            "check": f"{check.code} {check.title}",
            "verdict": check.verdict,
            "reason": f"{check.reason}. {check.fix}".removesuffix(" "),
        }
        for check in decision.checks
    ]


def traffic_rows(found: Traffic) -> list[Row]:
    """Return how much of the latest traffic moves, everywhere and by part."""
    if found.moved is None:
        return []
    return [
        {"logged rows": name, "rows": f"{rows:,}", "move by more than 10 %": f"{moved:.1%}"}
        for name, rows, moved in (
            ("all", found.compared, found.moved),
            *((part.name, part.rows, part.moved) for part in found.parts),
        )
    ]


def moved_rows(found: Traffic) -> list[Row]:
    """Return the logged rows whose price moves most."""
    return [
        {
            "champion": amount("mae", item.champion),
            "candidate": amount("mae", item.candidate),
            "change": f"{item.candidate / item.champion - 1:+.0%}",
            **{name: _value(value) for name, value in item.row.items()},
            "warnings": "; ".join(item.warnings),
        }
        for item in found.most_moved
    ]


def gate_page(decision: GateDecision) -> str:
    """Return all checks of the gate, and what the candidate makes of the latest traffic."""
    found = decision.traffic
    shares = [table(traffic_rows(found))] if found else []
    return paragraphs([table(gate_rows(decision)), *shares, *_moved(found)])


def gate_lines(decision: GateDecision) -> list[str]:
    """Return what a summary says of the gate: counts, what is wrong, and the rows that move."""
    wrong = [row for row in gate_rows(decision) if row["verdict"] in {"fail", "ask"}]
    return [_counts(decision), table(wrong), *_moved(decision.traffic)]


def _moved(found: Traffic | None) -> list[str]:
    return [_MOST_MOVED, table(moved_rows(found))] if found and found.most_moved else []


def _counts(decision: GateDecision) -> str:
    found = Counter(check.verdict for check in decision.checks)
    counts = ", ".join(f"{count} {verdict}" for verdict, count in found.most_common())
    return (
        f"{len(decision.checks)} checks: {counts}. All of them are in `gate.md`, with the figures."
    )


def _value(value: float | str | None) -> str:
    if value is None:
        return "missing"
    return value if isinstance(value, str) else f"{value:.10g}"
