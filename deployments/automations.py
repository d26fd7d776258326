"""What Prefect does by itself: tell of failures and rejections, and see runs that died silently."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING

from prefect.automations import (
    Automation,
    ChangeFlowRunState,
    EventTrigger,
    Posture,
    ResourceSpecification,
    SendNotification,
)
from prefect.client.schemas.objects import StateType

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

SILENT_AFTER = timedelta(minutes=10)
"""How long a run that sends a heartbeat every 30 seconds may be silent.

A server on SQLite that waits for its own lock may lose some; a worker sees the end of a process at
once, so that this is for lost machines only.
"""

_read: Callable[..., Automation] = Automation.read  # type: ignore[assignment]  # not in a loop
_RUN = ResourceSpecification({"prefect.resource.id": "prefect.flow-run.*"})
_ENDS = {f"prefect.flow-run.{state}" for state in ("Completed", "Failed", "Cancelled", "Crashed")}
_HEARTBEAT = "prefect.flow-run.heartbeat"


def ensure_automations(notification: UUID | None) -> None:
    """Create or update the automations, by name.

    Args:
        notification: Block that sends messages; without one nobody is told.
    """
    wanted = [_silent_run()]
    if notification:
        wanted += [_failure(notification), _rejection(notification)]
    for automation in wanted:
        with suppress(ValueError):  # there is none of this name
            automation.id = _read(name=automation.name).id
        if automation.id:
            automation.update()
        else:
            automation.create()


def _silent_run() -> Automation:
    return Automation(
        name="housing-silent-run",
        description="A run whose machine is gone sends no heartbeat: it is marked as crashed.",
        trigger=EventTrigger(
            after={_HEARTBEAT},
            expect={_HEARTBEAT, *_ENDS},
            match=_RUN,
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=SILENT_AFTER,
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.CRASHED,
                name=None,
                message="The run has sent no heartbeat: its machine or its process is gone. "
                "Retry it; finished stages are cached.",
            )
        ],
    )


def _failure(notification: UUID) -> Automation:
    return Automation(
        name="housing-failure",
        description="Tell of a flow run that failed or crashed.",
        trigger=EventTrigger(
            expect={"prefect.flow-run.Failed", "prefect.flow-run.Crashed"},
            match=_RUN,
            match_related=ResourceSpecification({"prefect.resource.id": "prefect.tag.housing"}),
            posture=Posture.Reactive,
            threshold=1,
            within=timedelta(0),
        ),
        actions=[
            SendNotification(
                block_document_id=notification,
                subject="{{ flow.name }} {{ flow_run.state.name | lower }}",
                body="{{ flow_run.name }}: {{ flow_run.state.message }}\n{{ flow_run | ui_url }}",
            )
        ],
    )


def _rejection(notification: UUID) -> Automation:
    return Automation(
        name="housing-rejection",
        description="Tell of a model that the gate rejected.",
        trigger=EventTrigger(
            expect={"housing.model.rejected"},
            posture=Posture.Reactive,
            threshold=1,
            within=timedelta(0),
        ),
        actions=[
            SendNotification(
                block_document_id=notification,
                subject="The gate rejected {{ event.resource.name }}",
                body="{{ event.payload.reasons | join('; ') }}\n{{ flow_run | ui_url }}",
            )
        ],
    )
