"""What people are told by Prefect: each message says what to look at and what to type."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from prefect.automations import (
    Automation,
    EventTrigger,
    Posture,
    ResourceSpecification,
    SendNotification,
)

from housing_ml.monitoring.publishing import ALERT

if TYPE_CHECKING:
    from uuid import UUID

RUN = ResourceSpecification({"prefect.resource.id": "prefect.flow-run.*"})
OURS = ResourceSpecification({"prefect.resource.id": "prefect.tag.housing"})
_POOL = ResourceSpecification(
    {"prefect.resource.id": "prefect.work-pool.*", "prefect.resource.name": "housing"}
)
_PAGE = "\n{{ (flow_run | ui_url) or '' }}"


def notices(notification: UUID) -> list[Automation]:
    """Return the automations that tell people, by the block that sends messages."""

    def message(subject: str, body: str) -> SendNotification:
        return SendNotification(block_document_id=notification, subject=subject, body=body)

    return [
        _of_runs(
            "housing-failure",
            "Tell of a flow run that failed or crashed.",
            {"Failed", "Crashed"},
            message(
                "{{ flow.name or 'A flow' }} {{ (flow_run.state.name or 'failed') | lower }}",
                "{{ event.resource.name }}: {{ flow_run.state.message }}\nLook at its log, then "
                "type `prefect flow-run retry {{ flow_run.id }}`; finished stages are cached."
                + _PAGE,
            ),
        ),
        _of_runs(
            "housing-waiting",
            "Tell of a flow run that waits for a person, such as a canary's watch.",
            {"Paused", "Suspended"},
            message(
                "{{ flow.name or 'A flow' }} waits for a person",
                "{{ event.resource.name }}: type `housing status`, look at it, and answer on "
                "the run's page by Resume. Nobody's answer ends a canary." + _PAGE,
            ),
        ),
        _of_runs(
            "housing-late",
            "Tell of a flow run that has not started when it should.",
            {"Late"},
            message(
                "{{ flow.name or 'A flow' }} is late",
                "{{ event.resource.name }} waits for a worker: type `prefect work-pool inspect "
                "housing`, then `make worker`, or look whether all retrains share one that hangs."
                + _PAGE,
            ),
        ),
        _told(
            "housing-rejection",
            "Tell of a model that the gate rejected.",
            EventTrigger(expect={"housing.model.rejected"}, **_AT_ONCE),
            message(
                "The gate rejected {{ event.resource.name }}",
                "{{ event.payload.reasons | join('; ') }}\nLook at the gate's report on the page, "
                "and type `housing status` for what serves." + _PAGE,
            ),
        ),
        _told(
            "housing-question",
            "Tell of a model that a person is to decide about.",
            EventTrigger(expect={"housing.model.asks"}, **_AT_ONCE),
            message(
                "{{ event.resource.name }} waits for a person",
                "{{ event.payload.reasons | join('; ') }}\nLook at the gate's report on the page. "
                "Type `housing promote {{ event.payload.version }} --why REASON`, or the form of "
                "the deployment promote, puts it into service." + _PAGE,
            ),
        ),
        _told(
            "housing-monitor",
            "Tell of the monitor's alert.",
            EventTrigger(expect={ALERT}, **_AT_ONCE),
            message(
                "The monitor raised an alert on {{ event.resource.name }}",
                "{{ event.payload.headline }}\nLook at the page for operators, or type `housing "
                "monitor`; the runbook says what each column means." + _PAGE,
            ),
        ),
        _told(
            "housing-pool",
            "Tell of a pool without a worker.",
            EventTrigger(expect={"prefect.work-pool.not-ready"}, match=_POOL, **_AT_ONCE),
            message(
                "No worker is in the pool {{ event.resource.name }}",
                "{{ event.payload.note }} Nothing starts until one is: type `make worker`, and "
                "look at why the last one ended.",
            ),
        ),
    ]


_AT_ONCE: dict[str, Any] = {"posture": Posture.Reactive, "threshold": 1, "within": timedelta(0)}


def _of_runs(
    name: str, description: str, states: set[str], message: SendNotification
) -> Automation:
    """Return the automation that sends a message when a run of ours comes into a state."""
    trigger = EventTrigger(
        expect={f"prefect.flow-run.{state}" for state in states},
        match=RUN,
        match_related=OURS,
        **_AT_ONCE,
    )
    return _told(name, description, trigger, message)


def _told(
    name: str, description: str, trigger: EventTrigger, message: SendNotification
) -> Automation:
    return Automation(name=name, description=description, trigger=trigger, actions=[message])
