"""What may go of Prefect: this platform's runs that ended long ago, and with them their tasks.

The server's own clean-up follows for logs and artifacts of runs that are gone, where it is switched
on: PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED=events,flow_runs.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowFilter, FlowRunFilter
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound

from housing_ml.retention.found import Found

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import FlowRun

    from housing_ml.config.retention import RetentionConfig

_PAGE = 200
_ENDED = ["COMPLETED", "FAILED", "CRASHED", "CANCELLED"]


def old_flow_runs(flows: Sequence[str], now: datetime, config: RetentionConfig) -> Found:
    """Return the ended runs of these flows that a deployment of ours, or a person, started."""
    since = now - timedelta(days=config.run_days)
    with get_client(sync_client=True) as client:
        names = [str(run.id) for run in _runs(client, flows, since)]
    return Found("Prefect's runs", names, None, _delete)


def _delete(names: Sequence[str]) -> None:
    with get_client(sync_client=True) as client:
        for name in names:
            try:
                client.delete_flow_run(UUID(name))
            except ObjectNotFound:
                continue  # the server's own clean-up was quicker


def _runs(client: SyncPrefectClient, flows: Sequence[str], since: datetime) -> Iterator[FlowRun]:
    ended = FlowRunFilter.model_validate(
        {"state": {"type": {"any_": _ENDED}}, "end_time": {"before_": since}}
    )
    named = FlowFilter.model_validate({"name": {"any_": list(flows)}})
    offset = 0
    while page := client.read_flow_runs(
        flow_filter=named,
        flow_run_filter=ended,
        sort=FlowRunSort.ID_DESC,
        limit=_PAGE,
        offset=offset,
    ):
        yield from (run for run in page if run.deployment_id is None or "housing" in run.tags)
        offset += _PAGE
