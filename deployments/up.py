"""The whole platform on this machine, without containers: `make up`, until Ctrl-C.

Prefect's server with its page, a worker, MLflow's page and the service, and Prometheus with
Alertmanager where they are installed, each on a port of this machine, with all state and one log
file each in the home folder.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import httpx
from rich.console import Console

from deployments import places
from deployments.parts import Ports, parts, watchers
from deployments.places import ROOT
from housing_ml.registry.relocation import settle_in
from housing_ml.reporting.webhook import tell
from housing_ml.settings import Settings, at_home

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from deployments.parts import Part

STARTUP_SECONDS = 120
_STOPPING_SECONDS = 20
_LEASES = "prefect.server.concurrency.lease_storage.filesystem"
"""In memory, a server that ends while a retrain has the one place of all would keep it for ever."""

_UNWATCHED = (
    "nobody hears of the service's alerts: Prometheus and Alertmanager are not installed "
    "(apt-get install prometheus prometheus-alertmanager)"
)
_DO = "Look at that log, then type `make up`; finished stages are cached."


class UpError(RuntimeError):
    """A part that does not start, or ended by itself; the message says where its log is."""


def environment(settings: Settings, ports: Ports) -> dict[str, str]:
    """Return the environment of every part: the worker's, with a server of this machine."""
    home = settings.home.absolute()
    api = f"http://127.0.0.1:{ports.prefect}/api"
    password = os.environ.get("PREFECT_SERVER_API_AUTH_STRING")
    return {
        **at_home(home, {}),
        **places.environment(settings),
        **({"PREFECT_API_AUTH_STRING": password} if password else {}),
        "DO_NOT_TRACK": "1",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # evaluation of language models
        "HOUSING_MLFLOW_PAGE": f"http://127.0.0.1:{ports.mlflow}",
        "HOUSING_SERVICE_PAGE": f"http://127.0.0.1:{ports.service}",
        "PREFECT_API_URL": api,
        "PREFECT_HOME": str(home / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": _LEASES,
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
        "PREFECT_SERVER_UI_API_URL": api,
        "PREFECT_SERVER_UI_V2_ENABLED": "false",  # it calls an outside host
    }


def up(settings: Settings, ports: Ports, console: Console) -> None:
    """Start everything, say where it is, and stay until a part ends or the caller interrupts.

    Raises:
        UpError: when a part does not start or ends by itself.
    """
    logs = settings.home.absolute() / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    surroundings = environment(settings, ports)
    settle_in(settings)
    with ExitStack() as stack:
        client = stack.enter_context(httpx.Client(trust_env=False, timeout=5, auth=_auth()))
        running: dict[str, subprocess.Popen[bytes]] = {}

        def start(name: str, *command: str) -> subprocess.Popen[bytes]:
            process = _process(list(command), surroundings, logs / f"{name}.log")
            running[name] = stack.enter_context(process)
            return running[name]

        secrets = Path(stack.enter_context(TemporaryDirectory()))
        watching = watchers(settings, ports, secrets)
        started = parts(settings, ports) + watching
        for part in started:
            _require_free(part)
        for part in started:
            start(part.name, *part.command)
        for part in started:
            log = logs / f"{part.name}.log"
            _wait_until(partial(_answers, client, part), part.name, running, log)
            console.print(f"{part.name:12} {part.page}   log: {log}", soft_wrap=True)
        if not watching:
            console.print(_UNWATCHED, style="yellow", soft_wrap=True)
        _deploy(surroundings, logs / "deploy.log")
        start("worker", sys.executable, "-m", "deployments.worker", "--pool", "housing")
        log = logs / "worker.log"
        _wait_until(partial(_is_online, client, ports), "worker", running, log)
        console.print(f"{'worker':12} of the pool housing   log: {log}", soft_wrap=True)
        console.print("ready: press Ctrl-C to stop", style="bold green")
        _wait_until_one_ends(running, logs)


def _require_free(part: Part) -> None:
    port = int(part.page.rpartition(":")[2])
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise UpError(
                f"port {port} of {part.name} is in use: stop what runs there, or give another one "
                f"with --{part.name}-port"
            ) from error


def _deploy(surroundings: dict[str, str], log: Path) -> None:
    with log.open("ab") as file:
        command = [sys.executable, "-m", "deployments.deploy"]
        done = subprocess.run(  # noqa: S603 - our own command
            command, stdout=file, stderr=subprocess.STDOUT, env=surroundings, cwd=ROOT, check=False
        )
    if done.returncode:
        raise UpError(f"the deployments could not be registered: see {log}")


@contextmanager
def _process(
    command: list[str], surroundings: dict[str, str], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process, and end it with all that it has started."""
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
    """End a process and its descendants; the worker's flow runs have sessions of their own.

    A run that is ended so tells the server, which still lives, that it has crashed.
    """
    family = {process.pid, *_descendants(process.pid)}
    _signal(family, signal.SIGTERM)
    give_up = time.monotonic() + _STOPPING_SECONDS
    while time.monotonic() < give_up and (process.poll() is None or family & set(_parents())):
        time.sleep(0.1)
    _signal(family & set(_parents()), signal.SIGKILL)
    process.wait()


def _signal(processes: set[int], number: signal.Signals) -> None:
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process, number)


def _descendants(process: int) -> set[int]:
    parents = _parents()
    found = {process}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {process}


def _parents() -> dict[int, int]:
    """Return the parent of each process that has not ended."""
    command = ["ps", "-A", "-o", "pid=,ppid=,state="]
    rows = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()  # noqa: S603
    table = [row.split() for row in rows]
    return {int(pid): int(parent) for pid, parent, state in table if not state.startswith("Z")}


def _wait_until(
    holds: Callable[[], bool], name: str, running: dict[str, subprocess.Popen[bytes]], log: Path
) -> None:
    give_up = time.monotonic() + STARTUP_SECONDS
    while time.monotonic() < give_up:
        if running[name].poll() is not None:
            raise UpError(f"{name} ended at its start: see {log}")
        if holds():
            return
        time.sleep(0.3)
    raise UpError(f"{name} was not ready within {STARTUP_SECONDS} s: see {log}")


def _auth() -> tuple[str, str] | None:
    """Return user and password of Prefect's server, where one is set for it."""
    user, _, password = os.environ.get("PREFECT_SERVER_API_AUTH_STRING", "").partition(":")
    return (user, password) if user else None


def _answers(client: httpx.Client, part: Part) -> bool:
    try:
        return client.get(part.page + part.ready).is_success
    except httpx.TransportError:
        return False


def _is_online(client: httpx.Client, ports: Ports) -> bool:
    """Whether the worker has told the server that it is there."""
    url = f"http://127.0.0.1:{ports.prefect}/api/work_pools/housing/workers/filter"
    try:
        answer = client.post(url, json={})
    except httpx.TransportError:
        return False
    return answer.is_success and any(item["status"] == "ONLINE" for item in answer.json())


def _wait_until_one_ends(running: dict[str, subprocess.Popen[bytes]], logs: Path) -> None:
    while True:
        for name, process in running.items():
            if process.poll() is not None:
                raise UpError(f"{name} ended by itself: see {logs / name}.log")
        time.sleep(1)


def _ports() -> Ports:
    parser = argparse.ArgumentParser(prog="make up", description=__doc__)
    for name, default in Ports()._asdict().items():
        parser.add_argument(f"--{name}-port", type=int, default=default, dest=name)
    return Ports(**vars(parser.parse_args()))


def main() -> int:
    """Run until Ctrl-C; a part that fails stops all with one message."""
    console = Console(stderr=True, highlight=False)

    def stop(*_: object) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C would leave something behind
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    settings = Settings()
    try:
        up(settings, _ports(), console)
    except KeyboardInterrupt:
        console.print("stopped")
    except UpError as error:
        console.print(f"error: {error}", style="red", soft_wrap=True)
        if settings.notification_url:
            problem = tell(settings.notification_url, "The platform has stopped", f"{error}\n{_DO}")
            console.print(problem or "the webhook was told", soft_wrap=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
