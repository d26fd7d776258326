"""Where a report goes: storage, the reports folder, Prefect's UI, and events that others act on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefect.events import emit_event

from housing_ml.monitoring.summary import headline, page, summary, tables
from housing_ml.monitoring.trend import REPORTS
from housing_ml.reporting.artifacts import show_figures, show_summary, show_tables
from housing_ml.reporting.lead import lead, operators_page
from housing_ml.storage.atomic import write_atomically

if TYPE_CHECKING:
    from housing_ml.config.monitoring import MonitorConfig
    from housing_ml.monitoring.analysis import MonitorReport
    from housing_ml.settings import Settings
    from housing_ml.storage.versioned import ReleaseStorage

ALERT = "housing.monitor.alert"
DRIFT = "housing.drift.detected"
RETRAIN = "housing.retrain.wanted"
"""Events; the second and the third start the retrain deployment."""


def draw(report: MonitorReport, config: MonitorConfig) -> dict[str, bytes]:
    """Return the report's figures, PNG by name; none while there is nothing to draw."""
    from housing_ml.monitoring import figures  # noqa: PLC0415 - who tells of events draws nothing

    windows = [item for item in report.windows if item.version == report.champion]
    of_days = (item for item in report.performance if item.kind == "day")
    days = [item for item in of_days if item.estimates or item.foreseen]
    drawn = {}
    if windows:
        drawn["drift"] = figures.drift_map(windows, config.drift)
    if days:
        drawn["live_error"] = figures.error_history(days, report.error_limit)
    return drawn


def publish(
    report: MonitorReport, config: MonitorConfig, storage: ReleaseStorage, settings: Settings
) -> None:
    """Write the report to storage and the reports folder, and show it in Prefect."""
    from housing_ml.monitoring.evidently_page import evidently_page  # noqa: PLC0415 - the same

    drawn = draw(report, config)
    html = page(report, drawn)
    stamp = f"{report.at:%Y%m%dT%H%M%SZ}"
    storage.write(f"{REPORTS}/{stamp}.json", report.model_dump_json().encode())
    storage.write(f"{REPORTS}/{stamp}.html", html)
    folder = settings.reports_path / "monitor"
    write_atomically(folder / "report.html", html)
    other = evidently_page(report, config, storage)
    if other:
        write_atomically(folder / "evidently.html", other)
    named = {name.lower().replace(" ", "_"): rows for name, rows in tables(report).items() if rows}
    picture = drawn.get("live_error") or drawn.get("drift")
    wanted = "A retrain" if report.retraining.retrain else "No retrain"
    sentence = f"{headline(report)} {wanted}: {'; '.join(report.retraining.reasons)}."
    show_summary(summary(report), lead(sentence, picture, operators_page(settings)))
    show_tables(named)
    show_figures(drawn)


def announce(report: MonitorReport) -> None:
    """Emit the events that the report calls for: an alert for people, a retrain for automations.

    People are told of an alert once while it lasts. A retrain is asked for by one event, by that of
    drift where drift calls for it.
    """
    resource = {
        "prefect.resource.id": "housing.model.champion",
        "prefect.resource.name": f"version {report.champion}",
    }
    if report.news:
        emit_event(ALERT, resource, payload={"headline": headline(report)})
    if report.retraining.retrain:
        payload = {"reasons": list(report.retraining.reasons), "version": report.champion}
        emit_event(DRIFT if report.alarms else RETRAIN, resource, payload=payload)
