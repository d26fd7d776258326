"""A worker of this machine: its own places, the dead runs mended, then Prefect's worker.

    python -m deployments.worker [OPTIONS OF prefect worker start]

Where data, results and MLflow are is said by this machine's environment or `.env`, never by the
machine that registered the deployments.
"""

from __future__ import annotations

import os
import sys

from dotenv import dotenv_values
from prefect.client.orchestration import get_client

from deployments.mending import mend
from housing_ml.settings import Settings


def environment(settings: Settings) -> dict[str, str]:
    """Return what the worker's runs are told: `.env`, this environment, and absolute paths.

    The runs work in another folder than this one.
    """
    from_file = {key: value for key, value in dotenv_values(".env").items() if value}
    key_file = settings.service_account_file
    own_identity = {"GOOGLE_APPLICATION_CREDENTIALS": str(key_file.absolute())} if key_file else {}
    return {
        **own_identity,
        **from_file,
        **os.environ,
        "HOUSING_HOME": str(settings.home.absolute()),
        "PREFECT_RESULTS_LOCAL_STORAGE_PATH": str(settings.storage_path),
    }


def main() -> None:
    """Become Prefect's worker, so that its signals are its own."""
    settings = Settings()
    settings.home.mkdir(parents=True, exist_ok=True)
    with get_client(sync_client=True) as client:
        for name in mend(client):
            print(f"{name} had died: it is marked as crashed", file=sys.stderr)
    given = sys.argv[1:] or ["--pool", "housing"]
    command = [sys.executable, "-m", "prefect", "worker", "start", *given]
    os.execve(sys.executable, command, environment(settings))  # noqa: S606 - our own command


if __name__ == "__main__":
    main()
