"""Starting the service: one uvicorn server, or a supervisor of several workers."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import uvicorn
from uvicorn.config import STARTUP_FAILURE

from serve.protocol.connection import Connection
from serve.protocol.stopping import Server, Supervisor
from serve.settings import PREFIX, Settings, SettingsError, from_environment

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
        sys.stderr.write(f"The service cannot start: {error}\n")
        return 1
    if settings.workers == 1:
        _run(settings)
        return 0
    folder = _metrics_folder(settings)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
    try:
        _run(settings)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def _metrics_folder(settings: Settings) -> Path:
    """Return where the workers share figures; on a full disk, a folder that they make later."""
    try:
        place = os.environ.get("TMPDIR", "/tmp")  # noqa: S108 - mkdtemp makes a folder of ours there
        return Path(tempfile.mkdtemp(prefix="housing-metrics-", dir=place))
    except OSError:
        return settings.state / f"metrics-{os.getpid()}"


def _run(settings: Settings) -> None:
    config = uvicorn.Config(
        "serve.app:create_app",
        factory=True,
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        loop="uvloop",
        http=Connection,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies,
        ws="none",
        access_log=False,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=_DRAIN_SECONDS,
    )
    if settings.workers > 1:
        Supervisor(config, [config.bind_socket()]).run()
        return
    server = Server(config)
    with suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        sys.exit(STARTUP_FAILURE)
