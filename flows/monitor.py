"""Watch the served model: read the log since the last window, judge it, tell who should know."""

from __future__ import annotations

from datetime import UTC, datetime

from prefect import flow, task
from prefect.logging import get_run_logger

from flows.naming import run_name
from housing_ml import progress
from housing_ml.config.monitoring import MonitorConfig
from housing_ml.monitoring.analysis import MonitorReport, analyse
from housing_ml.monitoring.publishing import announce, draw, publish
from housing_ml.monitoring.summary import page
from housing_ml.monitoring.tracking import track
from housing_ml.orchestration.failures import forget_exception
from housing_ml.orchestration.runs import run_stage, session
from housing_ml.releases.channels import open_releases
from housing_ml.settings import Settings


@task(retries=1, persist_result=False)
def analysis(config: MonitorConfig) -> MonitorReport:
    """Read what is new, and judge the windows that are over."""
    return analyse(open_releases(Settings()), config, datetime.now(UTC))


@task(retries=2, persist_result=False)
def publication(report: MonitorReport, config: MonitorConfig) -> None:
    """Write the report, and show it."""
    settings = Settings()
    publish(report, config, open_releases(settings), settings)


@task(persist_result=False)
def tracking(report: MonitorReport, config: MonitorConfig) -> None:
    """Log the report with the experiment trackers; a tracker that is down is a warning."""
    html = page(report, draw(report, config))
    for problem in track(report, html, config.trackers, Settings()):
        get_run_logger().warning(problem)


@flow(name="monitor", persist_result=False, flow_run_name=run_name, on_failure=[forget_exception])
def monitor(config: MonitorConfig = MonitorConfig()) -> MonitorReport:  # noqa: B008 - frozen
    """Report on drift, live error and retraining; emit an event on an alert.

    Args:
        config: What may be turned; the defaults suit a service with a thousand predictions a day.
    """
    progress.plan([stage.name for stage in (analysis, publication, tracking)])
    report = run_stage(analysis, config).result
    announce(report)
    run_stage(publication, report, config)
    run_stage(tracking, report, config)
    return report


def run_monitor(config: MonitorConfig, *, verbose: bool = False) -> MonitorReport:
    """Run the flow from a program: on the configured Prefect server, or on one of its own."""
    with session(verbose=verbose):
        return monitor(config)
