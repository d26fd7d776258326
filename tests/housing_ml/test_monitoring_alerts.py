"""Alert rules and dashboard fit the service's real figures, and every alert is in the runbook."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import yaml

from serve.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "deployments" / "prometheus"
RULES = yaml.safe_load((PROMETHEUS / "housing.rules.yml").read_text())
DASHBOARD = json.loads((ROOT / "deployments/grafana/dashboards/housing.json").read_text())

needs_promtool = pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not here")
needs_prometheus = pytest.mark.skipif(
    not shutil.which("prometheus"), reason="prometheus is not here"
)


@pytest.fixture(scope="module")
def figures() -> Metrics:
    metrics = Metrics()
    metrics.answered("/api/v1/predict", 200, 0.002)
    metrics.predicted("1", "champion", 3)
    metrics.model.labels("1", "champion").set(1)
    metrics.reloads.labels("loaded").inc()
    metrics.log_shipments.labels("done").inc()
    metrics.not_logged("disk", 0)
    metrics.validation_errors.labels("longitude").inc()
    return metrics


def rules() -> list[dict[str, Any]]:
    return [rule for group in RULES["groups"] for rule in group["rules"]]


def names(expression: str) -> set[str]:
    return set(re.findall(r"\bhousing[_:][a-z0-9_:]+", expression))


def test_every_figure_that_is_asked_for_is_one_the_service_gives(figures: Metrics) -> None:
    given = names(figures.text().decode()) | {rule.get("record") for rule in rules()}
    panels = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]

    asked = set().union(*(names(text) for text in [*panels, *(rule["expr"] for rule in rules())]))

    assert asked <= given


def test_every_alert_has_its_page_in_the_runbook() -> None:
    runbook = (ROOT / "docs" / "runbook.md").read_text()
    alerts = [rule for rule in rules() if "alert" in rule]

    for rule in alerts:
        assert rule["annotations"]["runbook"] == f"docs/runbook.md#{rule['alert'].lower()}"
        assert f"\n## {rule['alert']}\n" in runbook
    assert len(alerts) == runbook.count("\n## Housing")


def test_every_alert_has_a_test() -> None:
    tested = (PROMETHEUS / "housing.rules.test.yml").read_text()

    assert all(tested.count(rule["alert"]) for rule in rules() if "alert" in rule)


@needs_promtool
@pytest.mark.parametrize(
    "command",
    [["check", "config", "prometheus.yml"], ["test", "rules", "housing.rules.test.yml"]],
    ids=" ".join,
)
def test_promtool_accepts_the_rules_and_their_tests(command: list[str]) -> None:
    done = subprocess.run(
        ["promtool", *command], cwd=PROMETHEUS, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def scraped(figures: Metrics) -> Iterator[str]:
    """Address of a server that gives the service's figures."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.end_headers()
            self.wfile.write(figures.text())

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def prometheus(scraped: str, tmp_path: Path) -> Iterator[str]:
    """URL of a Prometheus with the project's rules, which scrapes those figures each second."""
    for file in PROMETHEUS.iterdir():
        text = file.read_text().replace("service:8000", scraped).replace("15s", "1s")
        (tmp_path / file.name).write_text(text)
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    options = {
        "config.file": tmp_path / "prometheus.yml",
        "storage.tsdb.path": tmp_path / "data",
        "web.listen-address": address,
    }
    command = ["prometheus", *(f"--{name}={value}" for name, value in options.items())]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        yield f"http://{address}"
        process.terminate()


def ask(url: str, path: str) -> Any:
    with httpx.Client(trust_env=False) as client:
        try:
            return client.get(f"{url}/api/v1/{path}").raise_for_status().json()["data"]
        except httpx.HTTPError:
            return None


@needs_prometheus
def test_a_real_prometheus_reads_the_figures_and_evaluates_every_rule(prometheus: str) -> None:
    for _ in range(100):
        groups = (ask(prometheus, "rules") or {"groups": []})["groups"]
        up = (ask(prometheus, "query?query=up") or {"result": []})["result"]
        found = [rule for group in groups for rule in group["rules"]]
        healthy = bool(found) and all(rule["health"] == "ok" for rule in found)
        if healthy and up and up[0]["value"][1] == "1":
            break
        time.sleep(0.2)

    assert healthy
    assert len(found) == len(rules())
    assert up[0]["metric"]["job"] == "housing"
    priced = ask(prometheus, "query?query=housing_predictions_total")["result"]
    assert priced[0]["value"][1] == "3"
    assert {rule["state"] for rule in found if rule["type"] == "alerting"} <= {
        "inactive",
        "pending",
    }
