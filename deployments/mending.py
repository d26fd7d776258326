"""Runs that died while nobody watched: they are marked as crashed, so that they hold no slot."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.states import Crashed

from deployments.automations import HEARTBEAT, SILENT_AFTER

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

_ALIVE = [StateType.RUNNING, StateType.CANCELLING]


def mend(client: SyncPrefectClient, silent_after: timedelta = SILENT_AFTER) -> list[str]:
    """Mark this project's runs as crashed whose process is gone; return their names.

    A process of this machine is looked for. One of another machine is gone when it has sent no
    heartbeat for `silent_after`, which is as long as the watch over silent runs allows.
    """
    found = client.read_flow_runs(
        flow_run_filter=FlowRunFilter(
            tags=FlowRunFilterTags(all_=["housing"]),
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=_ALIVE)),
        )
    )
    dead = [run for run in found if _is_dead(client, run, silent_after)]
    for run in dead:
        state = Crashed(
            message="The run's process was gone when a worker started. "
            "Retry it; finished stages are cached."
        )
        client.set_flow_run_state(run.id, state)
    return [run.name for run in dead]


def _is_dead(client: SyncPrefectClient, run: FlowRun, silent_after: timedelta) -> bool:
    machine, _, process = (run.infrastructure_pid or "").rpartition(":")
    if machine == socket.gethostname() and process.isdigit():
        return not _runs_here(int(process), run)
    now = datetime.now(UTC)
    started = run.state.timestamp if run.state else now
    return started < now - silent_after and not _was_heard(client, run, now - silent_after)


def _runs_here(process: int, run: FlowRun) -> bool:
    """Whether the process lives and is the run's: a restarted container counts anew."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    with suppress(OSError):  # no /proc, as on macOS
        return str(run.id).encode() in Path(f"/proc/{process}/environ").read_bytes()
    return True


def _was_heard(client: SyncPrefectClient, run: FlowRun, since: datetime) -> bool:
    wanted = {
        "event": {"name": [HEARTBEAT]},
        "resource": {"id": [f"prefect.flow-run.{run.id}"]},
        "occurred": {
            "since": since.isoformat(),
            "until": (datetime.now(UTC) + timedelta(minutes=1)).isoformat(),
        },
    }
    answer = client.request("POST", "/events/filter", json={"filter": wanted, "limit": 1})
    return bool(answer.json()["events"])
