"""Weights & Biases on loopback: what the unmodified client asks of it, with faults on request.

It keeps runs and sweeps in memory and proposes parameters at random by a seed. An operation that
it does not know is noted, so that a test can say that there was none.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ENTITY = "tester"
KEY = "k" * 40


class Fault(NamedTuple):
    """What requests whose operation or path matches a pattern are answered with."""

    pattern: str
    status: int
    after: int = 0
    """How many of them are answered well before."""


class WandbServer:
    """The server's state: runs, sweeps, faults that are due, and what was asked."""

    def __init__(self) -> None:
        self.url = ""
        self.lock = threading.RLock()
        self.forget()

    def forget(self) -> None:
        """Begin anew at the same address, which the client of a process keeps."""
        self.runs: dict[str, dict[str, Any]] = {}
        self.sweeps: dict[str, dict[str, Any]] = {}
        self.agents: dict[str, dict[str, Any]] = {}
        self.faults: list[Fault] = []
        self.operations: list[str] = []
        self.unknown: set[str] = set()
        self.alerts: list[tuple[str, str]] = []
        """Title and text of each."""
        self.stop_after_rows = 0
        """Stop every run of a sweep that has sent so many rows and is not the first; 0: none."""

    def fault(self, operation: str) -> Fault | None:
        """Return the fault that is due for a noted operation, if one is."""
        for fault in self.faults:
            if re.search(fault.pattern, operation):
                asked = sum(bool(re.search(fault.pattern, each)) for each in self.operations)
                return fault if asked > fault.after else None
        return None

    def environment(self, folder: Path) -> dict[str, str]:
        """Return what lets a process use this server with an account, and keep all in a folder."""
        places = {f"WANDB_{name}_DIR": str(folder) for name in ("CONFIG", "CACHE", "DATA")}
        return places | {
            "HOUSING_HOME": str(folder / "home"),
            "NETRC": str(folder / "netrc"),
            "WANDB_API_KEY": KEY,
            "WANDB_BASE_URL": self.url,
            "WANDB_ERROR_REPORTING": "false",
            "WANDB_MODE": "online",
        }

    def sweep_runs(self) -> list[dict[str, Any]]:
        """Return the runs that a sweep has proposed, in their order."""
        return [run for run in self.runs.values() if run["proposed"]]

    def summary(self, run: dict[str, Any]) -> dict[str, Any]:
        """Return a run's summary."""
        found: dict[str, Any] = json.loads(run["summaryMetrics"])
        return found

    def config(self, run: dict[str, Any]) -> dict[str, Any]:
        """Return a run's config, without what the client says of itself."""
        found = json.loads(run["config"])
        return {name: item["value"] for name, item in found.items() if name != "_wandb"}

    def answer(self, operation: str, given: dict[str, Any]) -> dict[str, Any]:
        """Answer a GraphQL operation."""
        method = getattr(self, "_" + re.sub(r"(?<!^)(?=[A-Z])", "_", operation).lower(), None)
        if method is None:
            self.unknown.add(operation)
            return {}
        found: dict[str, Any] = method(given)
        return found

    def _viewer(self, _: dict[str, Any]) -> dict[str, Any]:
        viewer = {
            "id": "1",
            "entity": ENTITY,
            "username": ENTITY,
            "email": "tester@example.com",
            "name": ENTITY,
            "flags": "{}",
            "teams": {"edges": []},
        }
        return {"viewer": viewer, "serverInfo": None}

    _get_viewer = _get_default_entity = _viewer

    def _organization_core_weave_organization_i_d(self, _: dict[str, Any]) -> dict[str, Any]:
        return {"entity": {"organization": None}}

    def _server_features_query(self, _: dict[str, Any]) -> dict[str, Any]:
        return {"serverInfo": {"features": []}}

    def _upsert_bucket(self, given: dict[str, Any]) -> dict[str, Any]:
        name = given["name"]
        run = self._run(name)
        for key in ("config", "groupName", "jobType", "displayName", "summaryMetrics"):
            if given.get(key) is not None:
                run[{"groupName": "group"}.get(key, key)] = given[key]
        sweep = given.get("sweep") or run["sweepName"]
        run["sweepName"] = sweep
        return {"upsertBucket": {"bucket": run | {"project": self._project()}, "inserted": True}}

    def _run(self, name: str) -> dict[str, Any]:
        empty = {
            "id": base64.b64encode(name.encode()).decode(),
            "name": name,
            "displayName": name,
            "description": "",
            "sweepName": None,
            "config": "{}",
            "summaryMetrics": "{}",
            "systemMetrics": "{}",
            "historyLineCount": 0,
            "logLineCount": 0,
            "eventsLineCount": 0,
            "historyKeys": None,
            "state": "running",
            "tags": [],
            "group": None,
            "jobType": None,
            "commit": None,
            "notes": None,
            "readOnly": False,
            "createdAt": "2026-01-01T00:00:00",
            "heartbeatAt": "2026-01-01T00:00:00",
            "user": {"name": ENTITY, "username": ENTITY},
            "projectId": "1",
            "history": [],
            "proposed": False,
        }
        return self.runs.setdefault(name, empty)

    def _project(self) -> dict[str, Any]:
        return {
            "id": "1",
            "internalId": "1",
            "name": "housing",
            "entity": {"id": "1", "name": ENTITY},
        }

    def _create_run_files(self, given: dict[str, Any]) -> dict[str, Any]:
        files = [
            {"name": name, "uploadUrl": f"{self.url}/upload/{given['run']}/{name}"}
            for name in given["files"]
        ]
        return {"createRunFiles": {"runID": given["run"], "uploadHeaders": [], "files": files}}

    def _upsert_sweep(self, given: dict[str, Any]) -> dict[str, Any]:
        name = f"sweep{len(self.sweeps)}"
        config = yaml.safe_load(given["config"])
        self.sweeps[name] = {
            "__typename": "Sweep",
            "id": base64.b64encode(name.encode()).decode(),
            "name": name,
            "displayName": config.get("name"),
            "method": config["method"],
            "state": "RUNNING",
            "description": None,
            "bestLoss": None,
            "config": given["config"],
            "createdAt": "2026-01-01T00:00:00",
            "updatedAt": "2026-01-01T00:00:00",
            "runCount": 0,
            "runCountExpected": None,
            "random": Random(0),  # noqa: S311 - the same trials each time
        }
        for prior in json.loads(given.get("priorRunsFilters") or "{}").get("$or", []):
            self.runs[prior["name"]]["sweepName"] = name
        sweep = {"name": name, "project": self._project()}
        return {"upsertSweep": {"sweep": sweep, "configValidationWarnings": []}}

    def _create_agent(self, given: dict[str, Any]) -> dict[str, Any]:
        name = f"agent{len(self.agents)}"
        self.agents[name] = {"sweep": given["sweep"], "stopped": set()}
        return {"createAgent": {"agent": {"id": name}}}

    def _notify_scriptable_run_alert(self, given: dict[str, Any]) -> dict[str, Any]:
        self.alerts.append((given["title"], given["text"]))
        return {"notifyScriptableRunAlert": {"success": True}}

    def _heartbeat(self, given: dict[str, Any]) -> dict[str, Any]:
        agent = self.agents[given["id"]]
        busy = json.loads(given["runState"])
        commands = self._stops(agent, busy) if busy else [self._proposal(agent["sweep"])]
        return {"agentHeartbeat": {"agent": {"id": given["id"]}, "commands": json.dumps(commands)}}

    def _stops(self, agent: dict[str, Any], busy: dict[str, bool]) -> list[dict[str, Any]]:
        due = [
            name
            for name in busy
            if self.stop_after_rows
            and len(self._run(name)["history"]) >= self.stop_after_rows
            and name not in agent["stopped"]
        ]
        agent["stopped"] |= set(due)
        return [{"type": "stop", "run_id": name} for name in due]

    def _proposal(self, sweep_name: str) -> dict[str, Any]:
        sweep = self.sweeps[sweep_name]
        sweep["runCount"] += 1
        name = f"{sweep_name}-run{sweep['runCount']}"
        self._run(name)["proposed"] = True
        parameters = yaml.safe_load(sweep["config"])["parameters"]
        chosen = {key: {"value": _draw(item, sweep["random"])} for key, item in parameters.items()}
        return {"type": "run", "run_id": name, "args": chosen}

    def _get_sweep(self, given: dict[str, Any]) -> dict[str, Any]:
        sweep = self.sweeps.get(given["name"])
        found = {key: value for key, value in sweep.items() if key != "random"} if sweep else None
        return {"project": self._project() | {"sweep": found}}

    def _runs(self, given: dict[str, Any]) -> dict[str, Any]:
        sweep = re.search(r'"sweep": *"([^"]+)"', given.get("filters") or "")
        found = [run for run in self.runs.values() if not sweep or run["sweepName"] == sweep[1]]
        if "wmape" in (given.get("order") or ""):
            found = [run for run in found if "wmape" in self.summary(run)]
            found.sort(key=lambda run: self.summary(run)["wmape"])
        first = int(given.get("cursor") or 0)
        page = found[first : first + given["perPage"]]
        edges = [{"node": run, "cursor": str(first + n + 1)} for n, run in enumerate(page)]
        more = first + len(page) < len(found)
        return {
            "project": self._project()
            | {
                "runCount": len(found),
                "readOnly": False,
                "runs": {
                    "edges": edges,
                    "pageInfo": {"endCursor": str(first + len(page)), "hasNextPage": more},
                },
            }
        }

    def stream(self, name: str, body: dict[str, Any]) -> None:
        """Take what a run sends while it lives."""
        run = self._run(name)
        files = body.get("files") or {}
        for line in files.get("wandb-history.jsonl", {}).get("content", []):
            run["history"].append(json.loads(line))
        run["historyLineCount"] = len(run["history"])
        for line in files.get("wandb-summary.json", {}).get("content", []):
            run["summaryMetrics"] = line
        if body.get("complete"):
            run["state"] = "failed" if body.get("exitcode") else "finished"


def _draw(parameter: dict[str, Any], random: Random) -> float:
    low, high = parameter["min"], parameter["max"]
    if parameter["distribution"].startswith("log_uniform"):
        return float(low * (high / low) ** random.random())
    if parameter["distribution"] == "int_uniform":
        return random.randint(low, high)
    if parameter["distribution"] == "q_log_uniform_values":
        return float(round(low * (high / low) ** random.random()))
    return random.uniform(low, high)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that go away without a word."""


@contextmanager
def wandb_server() -> Iterator[WandbServer]:
    """Run a server until the block ends."""
    state = WandbServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self._body()
            path = urlsplit(self.path).path
            operation = path
            if path == "/graphql":
                query = json.loads(body)
                operation = _operation(query["query"])
            with state.lock:
                state.operations.append(operation)
                fault = state.fault(operation)
                if fault:
                    return self._answer({"errors": [{"message": "away"}]}, fault.status)
                if path == "/graphql":
                    return self._answer(
                        {"data": state.answer(operation, query.get("variables") or {})}
                    )
                if path.endswith("/file_stream"):
                    state.stream(path.split("/")[-2], json.loads(body))
                return self._answer({})

        def do_PUT(self) -> None:
            self._body()
            self._answer({})

        do_GET = do_PUT  # noqa: N815 - http.server's name

        def _body(self) -> bytes:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            packed = self.headers.get("Content-Encoding") == "gzip"
            return gzip.decompress(body) if packed else body

        def _answer(self, content: dict[str, Any], status: int = 200) -> None:
            data = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    with _Server(("127.0.0.1", 0), Handler) as server:
        state.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield state
        server.shutdown()
        thread.join()


def _operation(query: str) -> str:
    found = re.search(r"\b(?:query|mutation)\s+(\w+)", query)
    return found[1] if found else "anonymous"
