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
    SendNotification,
)
from prefect.client.schemas.objects import StateType

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
_RUN = ResourceSpecification({"prefect.resource.id": "prefect.flow-run.*"})
_OURS = ResourceSpecification({"prefect.resource.id": "prefect.tag.housing"})
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
        wanted += [_failure(notification), _rejection(notification), _question(notification)]
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
            match=_RUN,
            match_related=_OURS,
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


def _failure(notification: UUID) -> Automation:
    return Automation(
        name="housing-failure",
        description="Tell of a flow run that failed or crashed.",
        trigger=EventTrigger(
            expect={"prefect.flow-run.Failed", "prefect.flow-run.Crashed"},
            match=_RUN,
            match_related=_OURS,
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


def _question(notification: UUID) -> Automation:
    return _at_event(
        "housing.model.asks",
        name="housing-question",
        description="Tell of a model that a person is to decide about.",
        message=SendNotification(
            block_document_id=notification,
            subject="{{ event.resource.name }} waits for a person",
            body="{{ event.payload.reasons | join('; ') }}\n"
            "housing promote {{ event.payload.version }} --why REASON, or the form of the "
            "deployment promote, puts it into service.\n{{ flow_run | ui_url }}",
        ),
    )


def _rejection(notification: UUID) -> Automation:
    return _at_event(
        "housing.model.rejected",
        name="housing-rejection",
        description="Tell of a model that the gate rejected.",
        message=SendNotification(
            block_document_id=notification,
            subject="The gate rejected {{ event.resource.name }}",
            body="{{ event.payload.reasons | join('; ') }}\n{{ flow_run | ui_url }}",
        ),
    )


def _at_event(event: str, *, name: str, description: str, message: SendNotification) -> Automation:
    """Return the automation that sends a message at each event of a kind."""
    return Automation(
        name=name,
        description=description,
        trigger=EventTrigger(
            expect={event}, posture=Posture.Reactive, threshold=1, within=timedelta(0)
        ),
        actions=[message],
    )
