"""The whole platform on this machine, without containers: `make up`, until Ctrl-C.

Prefect's server with its page, a worker, MLflow's page and the service, each on a port of this
machine, with all state and one log file each in the home folder.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, NamedTuple

import httpx
from rich.console import Console

from deployments.deploy import ROOT, deploy
from housing_ml.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STARTUP_SECONDS = 120
_STOPPING_SECONDS = 20
PREFECT_PORT, MLFLOW_PORT, SERVICE_PORT = 4200, 5000, 8000


class Part(NamedTuple):
    """One process: its command and the address that answers when it is ready."""

    name: str
    command: list[str]
    ready: str
    page: str


class UpError(RuntimeError):
    """A part that does not start, or ended by itself; the message says where its log is."""


def environment(settings: Settings) -> dict[str, str]:
    """Return the environment of every part: state in the home folder, nothing from outside."""
    home = settings.home.resolve()
    api = f"http://127.0.0.1:{PREFECT_PORT}/api"
    return os.environ | {
        "DO_NOT_TRACK": "1",
        "HOUSING_HOME": str(home),
        "PREFECT_API_URL": api,
        "PREFECT_HOME": str(home / "prefect"),
        "PREFECT_RESULTS_LOCAL_STORAGE_PATH": str(settings.storage_path),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_UI_API_URL": api,
        "PREFECT_SERVER_UI_V2_ENABLED": "false",  # it calls an outside host
    }


def parts(settings: Settings) -> list[Part]:
    """Return the parts in the order in which they start; the worker needs the deployments."""
    python, home = sys.executable, settings.home.resolve()
    prefect, mlflow, service = (
        f"http://127.0.0.1:{port}" for port in (PREFECT_PORT, MLFLOW_PORT, SERVICE_PORT)
    )
    return [
        Part(
            "prefect",
            [python, "-m", "prefect", "server", "start", "--port", str(PREFECT_PORT)],
            f"{prefect}/api/health",
            prefect,
        ),
        Part(
            "mlflow",
            [
                *(python, "-m", "mlflow", "server", "--port", str(MLFLOW_PORT)),
                *("--backend-store-uri", settings.tracking_uri, "--workers", "1"),
                *("--default-artifact-root", (home / "mlflow-artifacts").as_uri()),
            ],
            f"{mlflow}/health",
            mlflow,
        ),
        Part(
            "service",
            [python, "-m", "housing_ml.cli", "serve", "--port", str(SERVICE_PORT)],
            f"{service}/health/live",
            service,
        ),
    ]


def up(settings: Settings, console: Console) -> None:
    """Start everything, say where it is, and stop it on Ctrl-C or SIGTERM.

    Raises:
        UpError: when a part does not start or ends by itself.
    """
    logs = settings.home.resolve() / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    surroundings = environment(settings)
    os.environ.update(surroundings)  # `deploy` talks to the same server
    with ExitStack() as stack:
        running: dict[str, subprocess.Popen[bytes]] = {}
        for part in parts(settings):
            log = logs / f"{part.name}.log"
            running[part.name] = stack.enter_context(_process(part.command, surroundings, log))
            _wait_until_ready(part, running[part.name], log)
            console.print(f"{part.name:8} {part.page}   log: {log}", soft_wrap=True)
        deploy(settings)
        worker = [sys.executable, "-m", "prefect", "worker", "start", "--pool", "housing"]
        log = logs / "worker.log"
        running["worker"] = stack.enter_context(_process(worker, surroundings, log))
        console.print(f"{'worker':8} pool housing   log: {log}", soft_wrap=True)
        console.print("ready: press Ctrl-C to stop", style="bold green")
        _wait_until_one_ends(running, logs)


@contextmanager
def _process(
    command: list[str], surroundings: dict[str, str], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process in a group of its own, and end the whole group at last."""
    with log.open("ab") as file:
        process = subprocess.Popen(  # noqa: S603 - our own commands
            command,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env=surroundings,
            cwd=ROOT,
            start_new_session=True,  # Ctrl-C is for us, who stop the parts in order
        )
    try:
        yield process
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            process.wait(_STOPPING_SECONDS)
        except subprocess.TimeoutExpired:
            continue
    process.wait()


def _wait_until_ready(part: Part, process: subprocess.Popen[bytes], log: Path) -> None:
    give_up = time.monotonic() + STARTUP_SECONDS
    with httpx.Client(trust_env=False, timeout=5) as client:
        while time.monotonic() < give_up:
            if process.poll() is not None:
                raise UpError(f"{part.name} ended at its start: see {log}")
            try:
                if client.get(part.ready).is_success:
                    return
            except httpx.TransportError:
                time.sleep(0.3)
    raise UpError(f"{part.name} did not answer within {STARTUP_SECONDS} s: see {log}")


def _wait_until_one_ends(running: dict[str, subprocess.Popen[bytes]], logs: Path) -> None:
    while True:
        for name, process in running.items():
            if process.poll() is not None:
                raise UpError(f"{name} ended by itself: see {logs / name}.log")
        time.sleep(1)


def main() -> int:
    """Run until Ctrl-C; a part that fails stops all with one message."""
    console = Console(stderr=True, highlight=False)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    try:
        up(Settings(), console)
    except KeyboardInterrupt:
        console.print("stopped")
        return 0
    except (UpError, subprocess.CalledProcessError) as error:
        console.print(f"error: {error}", style="red")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
