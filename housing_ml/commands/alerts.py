"""Commands about what people are told: `alerts test`."""
# ruff: noqa: PLC0415 - keeps `housing --help` quick

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from housing_ml.commands.job import practise_messages
from housing_ml.commands.output import show
from housing_ml.settings import Settings

alerts = App(name="alerts", help="What people are told.")


@alerts.command(name="test")
def practice(
    *,
    prometheus: Annotated[
        str, Parameter(env_var="HOUSING_PROMETHEUS_URL")
    ] = "http://127.0.0.1:9090",
) -> int:
    """Send one of each message by the way that the real one takes, and see that it is taken.

    Prometheus' alerts go by its Alertmanager; those of runs and of the monitor by the configured
    Prefect server, or, without one, straight to the webhook as scheduled jobs send them.

    Args:
        prometheus: Address of Prometheus, which says what its alerts are and where they go.
    """
    from housing_ml.orchestration.practice_events import practise as practise_notices
    from housing_ml.orchestration.prefect_server import configured_api
    from housing_ml.reporting.practice import NOTHING_IS_WRONG, practise

    if configured_api():
        by_prefect = practise_notices(NOTHING_IS_WRONG)
        show(f"By Prefect: {', '.join(by_prefect)}.")
    else:
        show(f"By the webhook: {', '.join(practise_messages(Settings(), NOTHING_IS_WRONG))}.")
    show(f"By Alertmanager: {', '.join(practise(prometheus.rstrip('/')))}.")
    return 0
