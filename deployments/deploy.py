"""Register blocks, work pools, deployments and automations on the configured Prefect server.

    python -m deployments.deploy

Doing it again brings the server in line with `prefect.yaml` and the settings, and changes nothing
else.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from prefect.client.orchestration import get_client

from deployments.automations import ensure_automations
from deployments.pools import ensure_pools
from housing_ml.settings import Settings
from housing_ml.storage.blocks import register_blocks

ROOT = Path(__file__).parents[1]


def deploy(settings: Settings) -> None:
    """Register everything that the platform needs on a Prefect server.

    Raises:
        BlockError: when a setting is missing that a block needs.
        CalledProcessError: when a deployment is refused.
        HTTPError: when the server cannot be reached.
    """
    settings.home.mkdir(parents=True, exist_ok=True)
    blocks = register_blocks(settings)
    with get_client(sync_client=True) as client:
        ensure_pools(client, settings)
    command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"]
    subprocess.run(command, env=environment(settings), cwd=ROOT, check=True)  # noqa: S603 - ours
    notification = next((name for name in blocks if name.startswith("custom-webhook/")), None)
    ensure_automations(blocks[notification]._block_document_id if notification else None)  # noqa: SLF001


def environment(settings: Settings) -> dict[str, str]:
    """Return the environment of `prefect deploy`, with what `prefect.yaml` asks of it."""
    return {
        "HOUSING_PIPELINE_IMAGE": "housing-pipeline",
        **os.environ,
        "HOUSING_WORKING_DIRECTORY": str(settings.home.absolute()),
    }


if __name__ == "__main__":
    deploy(Settings())
