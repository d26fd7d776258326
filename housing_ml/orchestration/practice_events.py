"""Notices for practice: each automation that tells people, by an event like its own."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from housing_ml.errors import HousingError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from prefect.client.orchestration import SyncPrefectClient
    from prefect.events.schemas.automations import Automation

_OURS = "housing-"
_SENDS = "send-notification"
_NO_RUN = "00000000-0000-0000-0000-000000000000"  # so that no state of a real one is touched
_DONE, _FAILED = "prefect.automation.action.executed", "prefect.automation.action.failed"
_PATIENCE_SECONDS = 60.0


class NoticeError(HousingError):
    """A Prefect server that tells nobody; the message says what to set."""


def practise(note: str) -> list[str]:
    """Let the configured server tell one of each, and wait until it has; return their names.

    Args:
        note: What the messages say in the place of a cause.

    Raises:
        NoticeError: when it has no automation that tells people, or a message was not taken.
        ServerError: when it asks for a password.
    """
    from prefect.client.orchestration import get_client  # noqa: PLC0415 - takes seconds
    from prefect.events import emit_event  # noqa: PLC0415 - the same
    from prefect.events.worker import EventsWorker  # noqa: PLC0415 - the same

    from housing_ml.orchestration.prefect_server import require_access  # noqa: PLC0415 - the same

    require_access()
    with get_client(sync_client=True) as client:
        notices = [item for item in client.read_automations() if _tells(item)]
        if not notices:
            raise NoticeError(
                f"Prefect at {client.api_url} tells nobody: set HOUSING_NOTIFICATION_URL, then "
                "`make deploy`"
            )
        since = datetime.now(UTC)
        for notice in notices:
            emit_event(**event_of(notice, note))
        EventsWorker.drain_all(timeout=_PATIENCE_SECONDS)
        _wait_until_told(client, [item.id for item in notices], since)
    return [item.name for item in notices]


def event_of(notice: Automation, note: str) -> dict[str, Any]:
    """Return the event that an automation waits for, about something that there is not."""
    trigger: Any = notice.trigger
    match = trigger.match.model_dump() | {}
    resource = {"prefect.resource.name": note, **{name: _first(of) for name, of in match.items()}}
    resource["prefect.resource.id"] = resource.get(
        "prefect.resource.id", "housing.model.practice"
    ).replace("*", _NO_RUN)
    related = trigger.match_related
    of_tag = [item.model_dump() for item in (related if isinstance(related, list) else [related])]
    return {
        "event": min(trigger.expect),
        "resource": resource,
        "related": [
            {name: _first(of) for name, of in item.items()} | {"prefect.resource.role": "tag"}
            for item in of_tag
            if item
        ],
        "payload": {"note": note, "headline": note, "reasons": [note], "version": "0"},
    }


def _tells(automation: Automation) -> bool:
    kinds = {action.type for action in automation.actions}
    return automation.enabled and automation.name.startswith(_OURS) and _SENDS in kinds


def _first(values: str | Sequence[str]) -> str:
    return values if isinstance(values, str) else values[0]


def _wait_until_told(client: SyncPrefectClient, notices: list[UUID], since: datetime) -> None:
    """Wait until the server says of each automation that its message was taken."""
    wanted = {f"prefect.automation.{notice}" for notice in notices}
    told: set[str] = set()
    give_up = time.monotonic() + _PATIENCE_SECONDS
    body = {
        "filter": {
            "event": {"name": [_DONE, _FAILED]},
            "occurred": {"since": since.isoformat()},
        },
        "limit": 50,
    }
    while not wanted <= told:
        if time.monotonic() > give_up:
            raise NoticeError(
                f"Prefect has told {len(told)} of {len(wanted)} within {_PATIENCE_SECONDS:.0f} s: "
                "look at its server's log"
            )
        time.sleep(0.3)
        for event in client.request("POST", "/events/filter", json=body).json()["events"]:
            if event["event"] == _FAILED:
                raise NoticeError(
                    f"the webhook did not take a message of Prefect's "
                    f"({event['payload'].get('reason', 'no reason given')}): look at "
                    "HOUSING_NOTIFICATION_URL"
                )
            told.add(event["resource"]["prefect.resource.id"])
