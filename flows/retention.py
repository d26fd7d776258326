"""Delete what nobody needs any more, or tell what that is."""

from __future__ import annotations

from datetime import UTC, datetime

from prefect import flow, task

from flows.naming import run_name
from housing_ml.config.retention import RetentionConfig
from housing_ml.orchestration.failures import forget_exception
from housing_ml.orchestration.one_retrain import alone
from housing_ml.orchestration.runs import run_stage, session
from housing_ml.records.retention import RetentionReport
from housing_ml.reporting.artifacts import show_summary
from housing_ml.reporting.lead import lead, operators_page
from housing_ml.retention.clearing import clear
from housing_ml.retention.prefect_runs import old_flow_runs
from housing_ml.retention.summary import picture, sentence, summary
from housing_ml.settings import Settings

FLOWS = (
    *("retrain", "sweep", "monitor", "score"),
    *("promote", "roll-back", "canary-watch", "retention"),
)
"""This platform's flows, by the names that Prefect has them under."""


@task(persist_result=False)
def clearing(config: RetentionConfig, *, delete: bool) -> RetentionReport:
    """Look everywhere; delete when asked to."""
    now = datetime.now(UTC)
    return clear(
        Settings(),
        config,
        now,
        delete=delete,
        others=[lambda: [old_flow_runs(FLOWS, now, config)]],
    )


@flow(name="retention", persist_result=False, flow_run_name=run_name, on_failure=[forget_exception])
def retention(
    config: RetentionConfig = RetentionConfig(),  # noqa: B008 - frozen
    delete: bool = False,  # noqa: FBT001, FBT002 - Prefect's form gives it by name
) -> RetentionReport:
    """Delete what nobody needs any more; without `delete`, tell what and how much that is.

    Args:
        config: How long things are kept.
        delete: Delete it. Otherwise nothing changes.
    """
    with alone():
        report = run_stage(clearing, config, delete=delete).result
    begins = lead(sentence(report), picture(report), operators_page(Settings()))
    show_summary(summary(report), begins)
    return report


def run_retention(
    config: RetentionConfig, *, delete: bool, verbose: bool = False
) -> RetentionReport:
    """Run the flow from a program: on the configured Prefect server, or on one of its own."""
    with session(verbose=verbose):
        return retention(config, delete=delete)
