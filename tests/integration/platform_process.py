"""A running `make up`, asked and used as people do."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx

from tests.waiting import PATIENCE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
SECRET = "a-key-that-nobody-may-see"  # noqa: S105


class Platform(NamedTuple):
    """The processes, where they are, what the webhook was told, and who asks Prefect."""

    process: subprocess.Popen[str]
    client: httpx.Client
    home: Path
    prefect: str
    mlflow: str
    service: str
    prometheus: str
    told: list[str]

    def command(self, *arguments: str) -> str:
        """Run a command of Prefect as a person would."""
        done = subprocess.run(
            [sys.executable, "-m", "prefect", "--no-prompt", *arguments],
            capture_output=True,
            text=True,
            env=os.environ | {"PREFECT_API_URL": f"{self.prefect}/api"},
            check=False,
            timeout=PATIENCE_SECONDS,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def post(self, path: str, body: Any) -> httpx.Response:
        """Ask Prefect's API; what its database has no time for is asked again."""
        address = f"{self.prefect}/api/{path}"
        while (answer := self.client.post(address, json=body)).status_code == 503:
            time.sleep(1)
        return answer

    def ask(self, path: str, **filters: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.post(f"{path}/filter", filters).raise_for_status().json()
        return found

    def deployment(self, name: str) -> dict[str, Any]:
        return self.ask("deployments", deployments={"name": {"any_": [name]}})[0]

    def start(self, deployment: str, config: dict[str, Any], **more: Any) -> str:
        """Start a run as the page does; return its identity."""
        body = {"parameters": {"config": config}, **more}
        path = f"deployments/{self.deployment(deployment)['id']}/create_flow_run"
        return str(self.post(path, body).raise_for_status().json()["id"])

    @contextmanager
    def given(self, deployment: str, config: dict[str, Any]) -> Iterator[None]:
        """Change what a deployment's runs are given, as the page does, while the block runs."""
        path = f"{self.prefect}/api/deployments/{self.deployment(deployment)['id']}"
        self.client.patch(path, json={"parameters": {"config": config}}).raise_for_status()
        try:
            yield
        finally:
            self.client.patch(path, json={"parameters": {}}).raise_for_status()

    def runs(self, deployment: str) -> list[dict[str, Any]]:
        return self.ask("flow_runs", deployments={"name": {"any_": [deployment]}})

    def run(self, identity: str) -> dict[str, Any]:
        return self.ask("flow_runs", flow_runs={"id": {"any_": [identity]}})[0]

    def tasks(self, identity: str) -> list[dict[str, Any]]:
        return self.ask("task_runs", flow_runs={"id": {"any_": [identity]}})

    def wait_for(self, holds: Callable[[], Any]) -> Any:
        """Wait until something is true; return it."""
        give_up = time.monotonic() + PATIENCE_SECONDS
        while not (found := holds()):
            log = (self.home / "logs" / "worker.log").read_text()
            assert time.monotonic() < give_up, (log, self.told)
            time.sleep(1)  # each look costs the server a query
        return found

    def wait(self, identity: str, *states: str) -> dict[str, Any]:
        """Wait until a run is in one of these states."""
        self.wait_for(lambda: self.run(identity)["state_name"] in states)
        return self.run(identity)

    def wait_until_told(self, *words: str) -> None:
        """Wait for a message that has all of these words."""
        self.wait_for(lambda: any(all(word in text for word in words) for text in self.told))

    def wait_until_logged(self, words: str) -> None:
        """Wait for words in the worker's log."""
        log = self.home / "logs" / "worker.log"
        self.wait_for(lambda: words in log.read_text())

    def pid(self, identity: str) -> int:
        """Return the process of a run on this machine."""
        return int(self.run(identity)["infrastructure_pid"].rpartition(":")[2])

    def processes(self) -> list[str]:
        """The commands of all processes whose state is in this home folder."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                environment = (process / "environ").read_bytes().split(b"\0")
                command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue
            if f"HOUSING_HOME={self.home}".encode() in environment and command:
                found.append(command)
        return found


def free_ports(number: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [item.getsockname()[1] for item in sockets]
    for item in sockets:
        item.close()
    return ports


@contextmanager
def webhook() -> Iterator[tuple[str, list[str]]]:
    """An address that takes messages, with a secret in it, and the messages."""
    messages: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            messages.append(_words(json.loads(self.rfile.read(length))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/{SECRET}", messages
        finally:
            server.shutdown()
            thread.join()


def _words(message: dict[str, Any]) -> str:
    """Return what Slack would show of a message: its text, or that of its attachments."""
    parts = [message.get("text", "")]
    parts += [f"{item['title']}\n{item['text']}" for item in message.get("attachments", [])]
    return "\n".join(filter(None, parts))


@contextmanager
def run_platform(home: Path, places: dict[str, str], ports: dict[str, int]) -> Iterator[Platform]:
    """Start the platform, wait until it says that it is ready, and interrupt it at last."""
    with webhook() as (address, told):
        environment = os.environ | {
            "HOUSING_NOTIFICATION_URL": address,
            "PREFECT_API_BLOCKS_REGISTER_ON_START": "0",  # halves the start of Prefect's server
            "PREFECT_MEMOIZE_BLOCK_AUTO_REGISTRATION": "0",  # it would load them to compare
            "HOUSING_SERVE_LOG_SEGMENT_SECONDS": "1",
            "PREFECT_WORKER_QUERY_SECONDS": "2",
            "WANDB_API_KEY": SECRET,
            "WANDB_MODE": "disabled",
            **places,
        }
        environment.pop("PREFECT_API_URL", None)
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "deployments.up"),
                *(f"--{name}-port={port}" for name, port in ports.items()),
            ],
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=environment,
        )
        pages = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
        try:
            _wait_until_ready(process)
            pages.pop("alertmanager")
            with httpx.Client(trust_env=False, timeout=PATIENCE_SECONDS) as client:
                yield Platform(process, client, home, **pages, told=told)
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=PATIENCE_SECONDS)


def _wait_until_ready(process: subprocess.Popen[str]) -> None:
    assert process.stderr is not None
    said = []
    while not (line := process.stderr.readline()).startswith("ready"):
        said.append(line)
        assert line, said
