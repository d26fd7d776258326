"""A worker of this machine: its own places, the dead runs mended, then Prefect's worker.

    python -m deployments.worker [OPTIONS OF prefect worker start]

Where data, results and MLflow are is said by this machine's environment or `.env`, never by the
machine that registered the deployments.
"""

from __future__ import annotations

import os
import sys

from deployments.places import environment
from housing_ml.settings import Settings


def main() -> None:
    """Become Prefect's worker, so that its signals are its own."""
    settings = Settings()
    os.environ.update(environment(settings))
    settings.home.mkdir(parents=True, exist_ok=True)
    # It reads the environment when it is loaded, which takes seconds.
    from prefect.cli import app  # noqa: PLC0415
    from prefect.client.orchestration import get_client  # noqa: PLC0415

    from deployments.mending import mend  # noqa: PLC0415

    with get_client(sync_client=True) as client:
        for name in mend(client):
            print(f"{name} had died: it is marked as crashed", file=sys.stderr)
    given = sys.argv[1:] or ["--pool", "housing"]
    sys.argv = ["prefect", "worker", "start", *given]
    app()


if __name__ == "__main__":
    main()
