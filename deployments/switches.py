"""What people switch off in Prefect's page stays off; what is not documented any more ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterTags

if TYPE_CHECKING:
    from uuid import UUID

    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.responses import DeploymentResponse


class Off(NamedTuple):
    """What is off of one deployment."""

    paused: bool
    schedule: bool


def switched_off(client: SyncPrefectClient) -> dict[UUID, Off]:
    """Return what is off, by deployment, before a registration writes it anew."""
    return {
        item.id: Off(bool(item.paused), any(not found.active for found in item.schedules))
        for item in ours(client)
    }


def switch_off_again(client: SyncPrefectClient, off: dict[UUID, Off]) -> None:
    """Switch off what was off before, also where the schedule is another one now."""
    for item in ours(client):
        before = off.get(item.id, Off(paused=False, schedule=False))
        if before.paused and not item.paused:
            client.pause_deployment(item.id)
        for schedule in item.schedules if before.schedule else []:
            if schedule.active:
                client.update_deployment_schedule(item.id, schedule.id, active=False)


def retire(client: SyncPrefectClient, documented: list[str]) -> None:
    """Take schedules and triggers from deployments of this project that are documented no more.

    Their runs stay to be looked at.
    """
    for item in ours(client):
        made_here = (item.entrypoint or "").startswith("flows.")
        if item.name in documented or not made_here:
            continue
        for schedule in item.schedules:
            client.delete_deployment_schedule(item.id, schedule.id)
        client.delete_resource_owned_automations(f"prefect.deployment.{item.id}")
        if not item.paused:
            client.pause_deployment(item.id)


def ours(client: SyncPrefectClient) -> list[DeploymentResponse]:
    """Return the deployments of this project."""
    tagged = DeploymentFilter(tags=DeploymentFilterTags(all_=["housing"]))
    return client.read_deployments(deployment_filter=tagged, limit=200)
