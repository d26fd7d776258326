"""Register blocks, work pools, deployments and automations on the configured Prefect server.

    python -m deployments.deploy

Doing it again brings the server in line with `prefect.yaml` and the settings, and changes nothing
else: what a person has switched off stays off, and a watch that runs is not begun anew.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import yaml
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate
from prefect.exceptions import ObjectNotFound

from deployments.automations import ensure_automations
from deployments.cloud_settings import CloudSettings
from deployments.places import ROOT
from deployments.pools import ensure_pools
from deployments.switches import retire, switch_off_again, switched_off
from housing_ml.orchestration.one_retrain import ONE_RETRAIN
from housing_ml.settings import Settings, unproxied
from housing_ml.storage.blocks import register_blocks

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient


def deploy(settings: Settings, cloud: CloudSettings) -> None:
    """Register everything that the platform needs on a Prefect server.

    Raises:
        BlockError: when a setting is missing that a block needs.
        CalledProcessError: when a deployment is refused.
        HTTPError: when the server cannot be reached.
    """
    blocks = register_blocks(settings)
    wanted = documented(cloud_run=bool(cloud.image))
    with get_client(sync_client=True) as client:
        ensure_pools(client, settings, cloud)
        _ensure_limit(client)
        off = switched_off(client)
        names = [part for name in wanted for part in ("--name", name)]
        command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", *names]
        subprocess.run(command, cwd=ROOT, check=True)  # noqa: S603 - ours
        switch_off_again(client, off)
        retire(client, documented())
        retrain = client.read_deployment_by_name("retrain/retrain").id
    notification = next((name for name in blocks if name.startswith("custom-webhook/")), None)
    ensure_automations(
        retrain,
        blocks[notification]._block_document_id if notification else None,  # noqa: SLF001
    )


def documented(*, cloud_run: bool = True) -> list[str]:
    """Return the names of the deployments in `prefect.yaml`, with or without those on Cloud Run."""
    document = yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))
    return [
        item["name"]
        for item in document["deployments"]
        if cloud_run or item["work_pool"]["name"] != "housing-cloud-run"
    ]


def _ensure_limit(client: SyncPrefectClient) -> None:
    """Make the limit that all retrains share; one that a person has set is left alone."""
    try:
        client.read_global_concurrency_limit_by_name(ONE_RETRAIN)
    except ObjectNotFound:
        client.create_global_concurrency_limit(
            GlobalConcurrencyLimitCreate(name=ONE_RETRAIN, limit=1)
        )


if __name__ == "__main__":
    os.environ.update(unproxied(os.environ))
    deploy(Settings(), CloudSettings())
