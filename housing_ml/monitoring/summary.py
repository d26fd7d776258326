"""What people read of the monitor: Markdown for the terminal and Prefect, a page of HTML. Pure."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from housing_ml.bundle.familiarity import USUAL
from housing_ml.reporting.markdown import Row, picture_address, table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from housing_ml.monitoring.analysis import MonitorReport
    from housing_ml.monitoring.drift import Alarm, WindowDrift
    from housing_ml.monitoring.intervals import Estimate
    from housing_ml.monitoring.performance import LiveError
    from housing_ml.monitoring.retraining import RetrainingDecision

_UNFAMILIAR = 2 * (1 - USUAL)

_STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;
color:#333}table{border-collapse:collapse;font-size:13px}td,th{padding:.25rem .7rem;text-align:left;
border-bottom:1px solid #ddd}img{max-width:100%}.alert{color:#a33}"""


def headline(report: MonitorReport) -> str:
    """Return the state in a sentence."""
    if report.champion is None:
        return "There is no champion to watch."
    reasons = [alarm.name for alarm in report.alarms] + list(report.live_error)
    if reasons:
        return f"Alert on version {report.champion}: {'; '.join(reasons)}."
    if not report.windows:
        return f"Version {report.champion} has no finished window to judge yet."
    return f"Version {report.champion} is quiet."


def summary(report: MonitorReport) -> str:
    """Return the report in Markdown."""
    parts = [f"# Monitor\n\n{headline(report)}", _counts(report)]
    parts += [f"## {title}\n\n{table(rows)}" for title, rows in tables(report).items() if rows]
    return "\n\n".join(parts) + "\n"


def tables(report: MonitorReport) -> dict[str, list[Row]]:
    """Return the report's tables by title; one may be empty."""
    return {
        "Alarms": _moved_rows(report.alarms),
        "Other than in training, as before in the traffic": _moved_rows(report.notes),
        "Drift": drift_rows(_last(report)),
        "Live error": error_rows(report.performance),
        "Retraining": retraining_rows(report.retraining),
    }


def _moved_rows(moved: Sequence[Alarm]) -> list[Row]:
    return [
        {
            "column": alarm.name,
            "windows in a row": str(alarm.windows),
            "why": "; ".join(alarm.reasons),
        }
        for alarm in moved
    ]


def drift_rows(window: WindowDrift | None) -> list[Row]:
    """Return each column of a window against the training rows and earlier windows."""
    if window is None:
        return []
    earlier = {item.name: item.verdict for item in window.earlier}
    return [
        {
            "column": item.name,
            "rows": f"{item.rows:,}",
            "stability index": f"{item.psi:.3f}",
            "distance": "" if item.distance is None else f"{item.distance:.3f}",
            "p": f"{item.p_value:.2g}",
            "missing": f"{item.missing:.1%}",
            "outside": f"{item.outside:.1%}",
            "against training": item.verdict,
            "against earlier windows": earlier.get(item.name, ""),
        }
        for item in window.columns
    ]


def error_rows(errors: Sequence[LiveError]) -> list[Row]:
    """Return each group's error with its intervals."""
    return [_error_row(item) for item in errors]


def retraining_rows(decision: RetrainingDecision) -> list[Row]:
    """Return the policy's checks, and what came of them."""
    checks = [
        {
            "code": item.code,
            "rule": item.title,
            "finding": item.role if item.applies else "",
            "why": item.reason,
        }
        for item in decision.checks
    ]
    outcome = "retrain" if decision.retrain else "keep the model"
    why = "; ".join(decision.reasons)
    return [*checks, {"code": "", "rule": "Decision", "finding": outcome, "why": why}]


def page(report: MonitorReport, figures: Mapping[str, bytes]) -> bytes:
    """Return the report as one page of HTML that needs no other file; figures are PNG by name."""
    state = "alert" if report.alert else "quiet"
    body = [
        f'<h1>Monitor</h1><p class="{state}"><strong>{escape(headline(report))}</strong></p>',
        f"<p>{escape(_counts(report))}</p>",
    ]
    body += [_image(name, content) for name, content in figures.items()]
    body += [
        f"<h2>{escape(title)}</h2>{_html(rows)}" for title, rows in tables(report).items() if rows
    ]
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Monitor</title>'
        f"<style>{_STYLE}</style>{''.join(body)}</html>\n"
    ).encode()


def _counts(report: MonitorReport) -> str:
    counts = (
        f"{report.predictions:,} predictions, {report.labelled:,} with a known price, "
        f"{len(report.windows)} finished windows, at {report.at:%Y-%m-%d %H:%M} UTC."
    )
    lines = [counts]
    if report.trained_on:
        lines.append(
            f"{report.trained_on:,} more with a known price are rows of the training, and in no "
            "error."
        )
    if any(item.foreseen for item in report.performance):
        lines.append(
            "The foreseen error is the model's own estimate, before prices are known; it cannot "
            "see prices that move while the inputs do not."
        )
    last = _last(report)
    if last and last.unfamiliar is not None:
        lines.append(
            f"{last.unfamiliar:.1%} of the last window's rows lie far from every training row or "
            f"are unlike all of them; of rows like those of training {_UNFAMILIAR:.1%} do."
        )
    if report.unknown_versions:
        names = ", ".join(report.unknown_versions)
        lines.append(f"Not compared, because their bundles hold no reference: version {names}.")
    if report.skipped:
        lines.append(f"Could not be read: {'; '.join(report.skipped)}.")
    return " ".join(lines)


def _last(report: MonitorReport) -> WindowDrift | None:
    of_champion = [item for item in report.windows if item.version == report.champion]
    return of_champion[-1] if of_champion else None


def _error_row(item: LiveError) -> Row:
    row = {"of": item.kind, "name": item.name, "rows": f"{item.rows:,}"}
    found = item.estimates
    row |= {"foreseen wmape": _estimate(item.foreseen) if item.foreseen else ""}
    figures = ("wmape", "mape", "within_10", "bias", "coverage")
    return row | {
        name.replace("_", " "): _estimate(getattr(found, name)) if found else "too few"
        for name in figures
    }


def _estimate(found: Estimate) -> str:
    return f"{found.value:.1%} ({found.low:.1%} to {found.high:.1%})"


def _image(name: str, content: bytes) -> str:
    return f'<img alt="{escape(name)}" src="{picture_address(content)}">'


def _html(rows: Sequence[Row]) -> str:
    heads = "".join(f"<th>{escape(title)}</th>" for title in rows[0])
    lines = ["".join(f"<td>{escape(cell)}</td>" for cell in row.values()) for row in rows]
    return f"<table><tr>{heads}</tr>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"
