"""`compose.yaml` by Docker's engine alone: its services in their order, on ports of their own."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Any

import yaml

from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


def docker(*arguments: str) -> str:
    """Run a command of Docker's; return what it prints."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"docker {shlex.join(arguments)}: {done.stderr}"
    return done.stdout.strip()


class Compose:
    """The services of a compose file, as containers, volumes and a network of one project."""

    def __init__(self, file: Path, scratch: Path, environ: Mapping[str, str]) -> None:
        text = re.sub(
            r"\$\{(\w+):-([^}]*)\}",
            lambda found: environ.get(found[1]) or found[2],
            file.read_text(),
        )
        self._document = yaml.safe_load(text)
        self._file, self._scratch = file, scratch
        self.project = f"housing-test-{os.getpid()}"
        self.seconds: dict[str, float] = {}
        """How long each service took until its health check passed."""

    @property
    def services(self) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = self._document["services"]
        return found

    def ordered(self) -> Iterator[str]:
        """Yield the services, each after those that it needs."""
        waiting = dict(self.services)
        while waiting:
            name = next(
                name
                for name, service in waiting.items()
                if not set(service.get("depends_on", {})) & set(waiting)
            )
            del waiting[name]
            yield name

    def up(self, extra: Mapping[str, list[str]]) -> None:
        """Start each service when those that it needs are healthy; `extra` are options by name."""
        docker("network", "create", self.project)
        for name in self.ordered():
            began = time.monotonic()
            docker(*self._run(name, extra.get(name, [])))
            self.wait(name)
            self.seconds[name] = time.monotonic() - began

    def down(self) -> None:
        """Remove containers, volumes and network."""
        mine = f"name=^{self.project}"
        for container in docker("ps", "--all", "--quiet", "--filter", mine).split():
            docker("rm", "--force", "--volumes", container)
        for volume in docker("volume", "ls", "--quiet", "--filter", mine).split():
            docker("volume", "rm", volume)
        for network in docker("network", "ls", "--quiet", "--filter", mine).split():
            docker("network", "rm", network)

    def state(self, name: str) -> dict[str, Any]:
        """Return what Docker knows of a service's container."""
        found: list[dict[str, Any]] = json.loads(docker("inspect", self.container(name)))
        return found[0]

    def container(self, name: str) -> str:
        return f"{self.project}-{name}"

    def wait(self, name: str) -> None:
        """Wait until a service is healthy; one without a check, until it has ended well."""

        def arrived() -> bool:
            state = self.state(name)["State"]
            if "Health" in state:
                assert state["Running"] or state["Restarting"], self.logs(name)
                return bool(state["Running"] and state["Health"]["Status"] == "healthy")
            assert state["Running"] or state["ExitCode"] == 0, self.logs(name)
            return not state["Running"]

        until(arrived, seconds=900)

    def crash(self, name: str) -> None:
        """Kill a service's process as a fault does, and wait until it is back and healthy."""
        before = self.state(name)
        os.kill(before["State"]["Pid"], signal.SIGKILL)
        until(lambda: self.state(name)["RestartCount"] > before["RestartCount"])
        self.wait(name)

    def address(self, name: str) -> str:
        """Return where a service's page is on this machine."""
        ports = self.state(name)["NetworkSettings"]["Ports"]
        (port,) = [bound[0]["HostPort"] for bound in ports.values() if bound]
        return f"http://127.0.0.1:{port}"

    def logs(self, name: str) -> str:
        done = subprocess.run(
            ["docker", "logs", "--tail", "60", self.container(name)],
            capture_output=True,
            text=True,
            check=False,
        )
        return f"{name}: {done.stdout}{done.stderr}"

    def _run(self, name: str, extra: list[str]) -> list[str]:
        service = self.services[name]
        options = ["--detach", "--name", self.container(name), "--network", self.project]
        options += ["--network-alias", name, *extra]
        options += [f"--env={key}={value}" for key, value in service.get("environment", {}).items()]
        options += [f"--publish=127.0.0.1::{_inside(port)}" for port in service.get("ports", [])]
        options += [f"--volume={self._volume(item)}" for item in service.get("volumes", [])]
        options += [f"--volume={self._given(item)}:ro" for item in service.get("configs", [])]
        options += [f"--tmpfs={item}" for item in service.get("tmpfs", [])]
        options += [f"--cap-drop={item}" for item in service.get("cap_drop", [])]
        options += [f"--security-opt={item}" for item in service.get("security_opt", [])]
        options += ["--read-only"] if service.get("read_only") else []
        options += [f"--user={service['user']}"] if "user" in service else []
        options += [f"--restart={service.get('restart', 'no')}"]
        options += _check(service["healthcheck"]) if "healthcheck" in service else []
        return ["run", *options, service["image"], *service.get("command", [])]

    def _volume(self, item: str) -> str:
        source, rest = item.split(":", 1)
        place = self._file.parent / source if source.startswith(".") else None
        return f"{place or f'{self.project}-{source}'}:{rest}"

    def _given(self, config: dict[str, str]) -> str:
        path = self._scratch / config["source"]
        path.write_text(self._document["configs"][config["source"]]["content"])
        path.chmod(0o644)
        return f"{path}:{config['target']}"


def _inside(port: str) -> str:
    return port.rpartition(":")[2]


def _check(check: dict[str, Any]) -> list[str]:
    kind, *words = check["test"]
    command = words[0] if kind == "CMD-SHELL" else shlex.join(words)
    return [
        f"--health-cmd={command}",
        *(f"--health-{name}={check[name]}" for name in ("interval", "timeout", "retries")),
        f"--health-start-period={check['start_period']}",
    ]
