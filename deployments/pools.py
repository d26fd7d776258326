"""The work pools: processes on a worker's machine, and Cloud Run jobs from the project's image."""

from __future__ import annotations

import os
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.exceptions import ObjectNotFound
from prefect.workers.process import ProcessWorker
from prefect_gcp.workers.cloud_run_v2 import CloudRunWorkerV2

from housing_ml.settings import without_password

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.workers.base import BaseWorker

    from deployments.cloud_settings import CloudSettings
    from housing_ml.settings import Settings

WORKERS: dict[str, type[BaseWorker[Any, Any, Any]]] = {
    "housing": ProcessWorker,
    "housing-cloud-run": CloudRunWorkerV2,
}


def ensure_pools(client: SyncPrefectClient, settings: Settings, cloud: CloudSettings) -> None:
    """Make the pools where they are missing, that of Cloud Run only where an image is named.

    In a pool that is there, only what the settings say is changed, and nothing when it says so.
    """
    for name in WORKERS if cloud.image else ["housing"]:
        found = _read_or_make(client, name)
        wanted = deepcopy(found)
        for variable, value in defaults(name, settings, cloud).items():
            wanted["variables"]["properties"][variable]["default"] = value
        if wanted != found:
            client.update_work_pool(name, WorkPoolUpdate(base_job_template=wanted))


def _read_or_make(client: SyncPrefectClient, name: str) -> dict[str, Any]:
    try:
        return client.read_work_pool(name).base_job_template
    except ObjectNotFound:
        template = WORKERS[name].get_default_base_job_template()
        client.create_work_pool(WorkPoolCreate(name=name, type=WORKERS[name].type))
        client.update_work_pool(name, WorkPoolUpdate(base_job_template=template))
        return client.read_work_pool(name).base_job_template


def defaults(pool: str, settings: Settings, cloud: CloudSettings) -> dict[str, Any]:
    """Return what a pool's jobs are given, by the names of its template.

    No path of the machine that deploys is among it: where things are is for each worker to say.
    Secrets, and addresses with a password, come from the worker's own environment or from Secret
    Manager, since a pool is shown in the UI.
    """
    env = _addresses(settings, settings.data_url)
    if pool == "housing":
        return {"env": env}
    env = {
        **_addresses(settings, cloud.data_url or settings.data_url),
        "HOUSING_HOME": "/state",
        **_given("MLFLOW_TRACKING_USERNAME", os.environ.get("MLFLOW_TRACKING_USERNAME")),
    }
    secrets = {"MLFLOW_TRACKING_PASSWORD": cloud.mlflow_password_secret}
    return {
        "env": env,
        "image": cloud.image,
        "region": cloud.region,
        "service_account_name": cloud.account,
        "env_from_secrets": {name: _secret(value) for name, value in secrets.items() if value},
        "prefect_api_auth_string_secret": _secret(cloud.prefect_auth_secret),
    }


def _addresses(settings: Settings, data_url: str | None) -> dict[str, str]:
    """Return the addresses that hold on any machine: no path, and no password."""
    block = settings.storage_block
    places = {
        "HOUSING_DATA_URL": data_url,
        "HOUSING_MLFLOW_TRACKING_URI": settings.mlflow_tracking_uri,
    }
    remote = {
        name: value
        for name, value in places.items()
        if value and "://" in value and not value.startswith(("file:", "sqlite:"))
    }
    return {
        **_given("HOUSING_STORAGE_BLOCK", block),
        **_given("PREFECT_RESULTS_DEFAULT_STORAGE_BLOCK", block),
        **{name: value for name, value in remote.items() if value == without_password(value)},
    }


def _given(name: str, value: str | None) -> dict[str, str]:
    return {name: value} if value else {}


def _secret(name: str | None) -> dict[str, str] | None:
    return {"secret": name, "version": "latest"} if name else None
