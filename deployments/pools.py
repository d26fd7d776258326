"""The work pools: processes on this machine, and Cloud Run jobs from the project's image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.exceptions import ObjectNotFound
from prefect.workers.process import ProcessWorker
from prefect_gcp.workers.cloud_run_v2 import CloudRunWorkerV2

from housing_ml.settings import without_password

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.workers.base import BaseWorker

    from housing_ml.settings import Settings

WORKERS: dict[str, type[BaseWorker[Any, Any, Any]]] = {
    "housing": ProcessWorker,
    "housing-cloud-run": CloudRunWorkerV2,
}


def ensure_pools(client: SyncPrefectClient, settings: Settings) -> None:
    """Make the pools where they are missing.

    In a pool that is there, only what the settings say is changed: the environment of its runs.
    """
    for name, worker in WORKERS.items():
        try:
            template = client.read_work_pool(name).base_job_template
        except ObjectNotFound:
            template = worker.get_default_base_job_template()
            client.create_work_pool(WorkPoolCreate(name=name, type=worker.type))
        template["variables"]["properties"]["env"]["default"] = environment(name, settings)
        client.update_work_pool(name, WorkPoolUpdate(base_job_template=template))


def environment(pool: str, settings: Settings) -> dict[str, str]:
    """Return where things are for a pool's runs.

    Secrets, and addresses with a password, come from the worker's own environment: a pool's is
    shown in the UI.
    """
    here = pool == "housing"
    places = {
        "HOUSING_HOME": str(settings.home.absolute()) if here else "/state",
        "HOUSING_DATA_URL": settings.data_url,
        "HOUSING_STORAGE_BLOCK": settings.storage_block,
        "HOUSING_MLFLOW_TRACKING_URI": settings.mlflow_tracking_uri,
        "PREFECT_RESULTS_DEFAULT_STORAGE_BLOCK": settings.storage_block,
        "PREFECT_RESULTS_LOCAL_STORAGE_PATH": str(settings.storage_path) if here else None,
    }
    return {
        name: value for name, value in places.items() if value and value == without_password(value)
    }
