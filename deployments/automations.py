"""What Prefect does by itself: tell of failures and rejections, and see runs that died silently."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from prefect.automations import (
    Automation,
    ChangeFlowRunState,
    EventTrigger,
    Posture,
    ResourceSpecification,
    RunDeployment,
)
from prefect.client.schemas.objects import StateType

from deployments.notices import OURS, RUN, notices
from housing_ml.monitoring.publishing import DRIFT, RETRAIN

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

SILENT_AFTER = timedelta(minutes=10)
"""How long a run that sends a heartbeat every 30 seconds may be silent.

A server on SQLite that waits for its own lock may lose some; a worker sees the end of a process at
once, so that this is for lost machines only.
"""

_read: Callable[..., Automation] = Automation.read  # type: ignore[assignment]  # not in a loop
_ENDS = {f"prefect.flow-run.{state}" for state in ("Completed", "Failed", "Cancelled", "Crashed")}
HEARTBEAT = "prefect.flow-run.heartbeat"


def ensure_automations(retrain: UUID, notification: UUID | None) -> None:
    """Create the automations that are missing, by name, and update those that differ.

    One that is as it should be is left alone, since an update begins its watch anew; one that a
    person has switched off stays off.

    Args:
        retrain: Deployment that the monitor's events start.
        notification: Block that sends messages; without one nobody is told.
    """
    wanted = [_silent_run(), _wanted_retrain(retrain)]
    if notification:
        wanted += notices(notification)
    for automation in wanted:
        try:
            found = _read(name=automation.name)
        except ValueError:  # there is none of this name
            automation.create()
            continue
        automation.id, automation.enabled = found.id, found.enabled
        if _meaning(automation) != _meaning(found):
            automation.update()


def _meaning(automation: Automation) -> dict[str, Any]:
    """Return what an automation does, without what the server adds."""
    document = automation.model_dump(mode="json", include={"description", "trigger", "actions"})
    for name in ("after", "expect", "for_each"):
        document["trigger"][name] = sorted(document["trigger"][name])
    return document


def _silent_run() -> Automation:
    return Automation(
        name="housing-silent-run",
        description="A run whose machine is gone sends no heartbeat: it is marked as crashed.",
        trigger=EventTrigger(
            after={HEARTBEAT},
            expect={HEARTBEAT, *_ENDS},
            match=RUN,
            match_related=OURS,
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


def _wanted_retrain(retrain: UUID) -> Automation:
    return Automation(
        name="retrain-when-the-monitor-wants-it",
        description="Live error or drift persists, and the monitor's policy asks for a retrain.",
        trigger=EventTrigger(
            expect={RETRAIN, DRIFT},
            match=ResourceSpecification({"prefect.resource.id": "housing.model.champion"}),
            posture=Posture.Reactive,
            threshold=1,
            within=timedelta(0),
        ),
        actions=[RunDeployment(deployment_id=retrain)],
    )
