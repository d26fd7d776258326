"""Starting the service: one uvicorn server, or a supervisor of several workers."""

from __future__ import annotations

import os
import tempfile

import uvicorn

from serve.settings import PREFIX, SettingsError, from_environment

_DRAIN_SECONDS = 20


def main(host: str | None = None, port: int | None = None, workers: int | None = None) -> int:
    """Serve until SIGTERM or SIGINT, then answer what is under way; return the exit code.

    What is not given comes from the environment (`serve.settings`). Workers read it themselves.
    """
    given = {"HOST": host, "PORT": port, "WORKERS": workers}
    os.environ.update({PREFIX + name: str(value) for name, value in given.items() if value})
    try:
        settings = from_environment()
    except SettingsError as error:
        print(f"The service cannot start: {error}")
        return 1
    with tempfile.TemporaryDirectory(prefix="housing-metrics-") as folder:
        if settings.workers > 1:
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        uvicorn.run(
            "serve.app:create_app",
            factory=True,
            host=settings.host,
            port=settings.port,
            workers=settings.workers,
            loop="uvloop",
            http="httptools",
            access_log=False,
            log_level="warning",
            server_header=False,
            timeout_graceful_shutdown=_DRAIN_SECONDS,
        )
    return 0
