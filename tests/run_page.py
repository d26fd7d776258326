"""What Prefect's page shows of the run that began last."""

from __future__ import annotations

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.sorting import FlowRunSort


def newest_page() -> tuple[str, list[str]]:
    """Return the run's name, and the paragraphs of its summary."""
    with get_client(sync_client=True) as client:
        (run,) = client.read_flow_runs(sort=FlowRunSort.START_TIME_DESC, limit=1)
        newest = FlowRunFilter(id=FlowRunFilterId(any_=[run.id]))
        shown = client.read_artifacts(flow_run_filter=newest)
    (summary,) = (item.data for item in shown if item.key == "summary")
    return run.name, str(summary).split("\n\n")
