"""A worker of this machine: its own places, the dead runs mended, then Prefect's worker.

    python -m deployments.worker [OPTIONS OF prefect worker start]

Where data, results and MLflow are is said by this machine's environment or `.env`, never by the
machine that registered the deployments.
"""

from __future__ import annotations

import os
import sys

from prefect.client.orchestration import get_client

from deployments.mending import mend
from deployments.places import environment
from housing_ml.settings import Settings, unproxied


def main() -> None:
    """Become Prefect's worker, so that its signals are its own."""
    settings = Settings()
    os.environ.update(unproxied(os.environ))
    settings.home.mkdir(parents=True, exist_ok=True)
    with get_client(sync_client=True) as client:
        for name in mend(client):
            print(f"{name} had died: it is marked as crashed", file=sys.stderr)
    given = sys.argv[1:] or ["--pool", "housing"]
    command = [sys.executable, "-m", "prefect", "worker", "start", *given]
    os.execve(sys.executable, command, environment(settings))  # noqa: S606 - our own command


if __name__ == "__main__":
    main()
