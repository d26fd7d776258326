"""Commands as scheduled jobs: any verdict ends them well, and the webhook is told what it was."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from housing_ml.commands.output import warn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from housing_ml.monitoring.analysis import MonitorReport
    from housing_ml.records.retrain import RetrainResult
    from housing_ml.settings import Settings


def tell_verdict(result: RetrainResult, settings: Settings) -> None:
    """Tell of a model that was not promoted: rejected, or left to a person."""
    if not result.promoted:
        reasons = "; ".join(result.decision.reasons)
        _tell(settings, f"Version {result.version} was not promoted", reasons)


def tell_alert(report: MonitorReport, settings: Settings) -> None:
    """Tell of an alert of the monitor."""
    if report.alert:
        from housing_ml.monitoring.summary import headline  # noqa: PLC0415 - takes a second

        _tell(settings, "The monitor raised an alert", headline(report))


@contextmanager
def telling_of_failure(settings: Settings, subject: str) -> Iterator[None]:
    """Tell of what is raised inside, and raise it on."""
    try:
        yield
    except Exception as error:
        _tell(settings, subject, str(error))
        raise


def _tell(settings: Settings, subject: str, body: str) -> None:
    """Send a message, unless a Prefect server is configured, whose automations do."""
    from housing_ml.orchestration.prefect_server import configured_api  # noqa: PLC0415 - slow
    from housing_ml.reporting.webhook import tell  # noqa: PLC0415 - an HTTP client

    if settings.notification_url is None or configured_api():
        return
    problem = tell(settings.notification_url, subject, body)
    if problem:
        warn(problem)
