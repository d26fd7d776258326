"""Register every deployment of `prefect.yaml` on the configured Prefect server.

    python -m deployments.deploy

The work pools are made where they are missing. Where things are comes from the settings, so that
a worker keeps its state where the commands of this machine keep it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from housing_ml.settings import Settings

ROOT = Path(__file__).parents[1]
POOLS = {"housing": "process", "housing-cloud-run": "cloud-run-v2"}


def environment(settings: Settings) -> dict[str, str]:
    """Return what `prefect.yaml` asks of the environment."""
    home = settings.home.resolve()
    places = {
        "HOUSING_HOME": str(home),
        "HOUSING_DATA_URL": settings.data_url or "",
        "HOUSING_RESULTS": str(settings.storage_path),
        "HOUSING_WORKING_DIRECTORY": str(home),
        "HOUSING_PIPELINE_IMAGE": os.environ.get("HOUSING_PIPELINE_IMAGE", "housing-pipeline"),
    }
    home.mkdir(parents=True, exist_ok=True)
    return os.environ | places


def deploy(settings: Settings) -> None:
    """Make the work pools and register all deployments; doing it again changes nothing.

    Raises:
        CalledProcessError: when the server cannot be reached, or refuses.
    """
    prefect = [sys.executable, "-m", "prefect", "--no-prompt"]
    for name, kind in POOLS.items():
        create = [*prefect, "work-pool", "create", name, "--type", kind, "--overwrite"]
        subprocess.run(create, env=environment(settings), cwd=ROOT, check=True)  # noqa: S603
    everything = [*prefect, "deploy", "--all"]
    subprocess.run(everything, env=environment(settings), cwd=ROOT, check=True)  # noqa: S603


if __name__ == "__main__":
    deploy(Settings())
