"""The processes of the whole platform on one machine: their commands, pages and ports."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING, NamedTuple

from deployments.alerting import write_alertmanager, write_prometheus

if TYPE_CHECKING:
    from pathlib import Path

    from housing_ml.settings import Settings


class Ports(NamedTuple):
    """Where the pages are on this machine."""

    prefect: int = 4200
    mlflow: int = 5000
    service: int = 8000
    prometheus: int = 9090
    alertmanager: int = 9093


class Part(NamedTuple):
    """One process: its command, its page, and the path that answers when it is ready."""

    name: str
    command: list[str]
    page: str
    ready: str


def parts(settings: Settings, ports: Ports) -> list[Part]:
    """Return the parts that are always there and have a page."""
    python = sys.executable
    commands = {
        "prefect": ["-m", "prefect", "server", "start", "--port", str(ports.prefect)],
        "mlflow": [
            *("-m", "mlflow", "server", "--port", str(ports.mlflow), "--workers", "1"),
            *("--backend-store-uri", settings.tracking_uri),
            *("--default-artifact-root", settings.artifacts_path.as_uri()),
        ],
        "service": ["-m", "housing_ml.cli", "serve", "--port", str(ports.service)],
    }
    ready = {"prefect": "/api/health", "mlflow": "/health", "service": "/health/live"}
    return [
        Part(name, [python, *command], f"http://127.0.0.1:{getattr(ports, name)}", ready[name])
        for name, command in commands.items()
    ]


def watchers(settings: Settings, ports: Ports, folder: Path) -> list[Part]:
    """Return Prometheus and Alertmanager, configured in a folder; none where one is not installed.

    The folder holds the webhook's address for as long as they run. Their data are in the home.
    """
    prometheus = shutil.which("prometheus")
    alertmanager = shutil.which("alertmanager") or shutil.which("prometheus-alertmanager")
    if not (prometheus and alertmanager):
        return []
    service, alerts = f"127.0.0.1:{ports.service}", f"127.0.0.1:{ports.alertmanager}"
    asked = f"127.0.0.1:{ports.prometheus}"
    home = settings.home.absolute()
    commands = {
        "alertmanager": [
            *(alertmanager, "--cluster.listen-address=", f"--web.listen-address={alerts}"),
            f"--config.file={write_alertmanager(folder, settings.notification_url)}",
            f"--storage.path={home / 'alertmanager'}",
        ],
        "prometheus": [
            *(prometheus, f"--web.listen-address={asked}", "--storage.tsdb.retention.time=45d"),
            f"--config.file={write_prometheus(folder, service, alerts)}",
            f"--storage.tsdb.path={home / 'prometheus'}",
        ],
    }
    return [
        Part(name, command, f"http://127.0.0.1:{getattr(ports, name)}", "/-/ready")
        for name, command in commands.items()
    ]
