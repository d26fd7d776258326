"""Commands as scheduled jobs: any verdict ends them well, and the webhook is told what it was."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from housing_ml.commands.output import CommandError, warn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from housing_ml.monitoring.analysis import MonitorReport
    from housing_ml.records.retrain import RetrainResult
    from housing_ml.settings import Settings

RETRAIN_ADVICE = "Look at the job's log, then type `housing retrain`; finished stages are cached."
MONITOR_ADVICE = "Look at the job's log, then type `housing monitor`."


def tell_verdict(result: RetrainResult, settings: Settings) -> None:
    """Tell of a model that was not promoted: rejected, or left to a person."""
    if not (result.promoted or result.probation):
        reasons = "; ".join(result.decision.reasons)
        _tell(settings, *_verdict(result.version, reasons))


def tell_alert(report: MonitorReport, settings: Settings) -> None:
    """Tell of an alert of the monitor that nobody was told of before."""
    if report.news:
        from housing_ml.monitoring.summary import headline  # noqa: PLC0415 - takes a second

        _tell(settings, *_alert(headline(report)))


@contextmanager
def telling_of_failure(settings: Settings, subject: str, advice: str = "") -> Iterator[None]:
    """Tell of what is raised inside, with advice below it, and raise it on."""
    try:
        yield
    except Exception as error:
        _tell(settings, subject, f"{error}\n{advice}".rstrip())
        raise


def practise_messages(settings: Settings, note: str) -> list[str]:
    """Send one of each message to the webhook, with a note in the place of its cause.

    Raises:
        CommandError: when no webhook is set, or it does not take a message.
    """
    from housing_ml.reporting.webhook import tell  # noqa: PLC0415 - an HTTP client

    if settings.notification_url is None:
        raise CommandError("nobody is told: set HOUSING_NOTIFICATION_URL to a webhook's address")
    messages = (
        *(_verdict("0", note), _alert(note)),
        ("The retrain failed", f"{note}\n{RETRAIN_ADVICE}"),
        ("The monitor failed", f"{note}\n{MONITOR_ADVICE}"),
    )
    for subject, body in messages:
        problem = tell(settings.notification_url, subject, body)
        if problem:
            raise CommandError(f"{problem}: look at HOUSING_NOTIFICATION_URL")
    return [subject for subject, _ in messages]


def _verdict(version: str, reasons: str) -> tuple[str, str]:
    body = (
        f"{reasons}\nLook at the report of the job, and at `housing status`. Type `housing promote "
        f"{version} --why REASON` to put it into service all the same."
    )
    return f"Version {version} was not promoted", body


def _alert(headline: str) -> tuple[str, str]:
    body = (
        f"{headline}\nLook at the page for operators, or type `housing monitor`; the runbook says "
        "what each column means."
    )
    return "The monitor raised an alert", body


def _tell(settings: Settings, subject: str, body: str) -> None:
    """Send a message, unless a Prefect server is configured, whose automations do."""
    from housing_ml.orchestration.prefect_server import configured_api  # noqa: PLC0415 - slow
    from housing_ml.reporting.webhook import tell  # noqa: PLC0415 - an HTTP client

    if settings.notification_url is None or configured_api():
        return
    problem = tell(settings.notification_url, subject, body)
    if problem:
        warn(problem)
