"""A real Prometheus with the project's rules watches a real service, and sees its faults."""

from __future__ import annotations

import shutil
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from housing_ml.bundle.model import MODEL
from tests.serve.conftest import Home
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.serve.conftest import Models, Service

DEPLOYMENT = Path(__file__).parents[3] / "deployments" / "prometheus"

pytestmark = pytest.mark.skipif(
    not shutil.which("prometheus"), reason="needs Prometheus: apt-get install prometheus"
)


@pytest.fixture
def watched(start: Callable[..., Service], tmp_path: Path, models: Models) -> Service:
    """A service on a home of its own."""
    Home(tmp_path / "home").publish(models.first.bundle, "1")
    return start(tmp_path / "home", poll_seconds=0.2)


@pytest.fixture
def prometheus(watched: Service, tmp_path: Path) -> Iterator[httpx.Client]:
    """A Prometheus that scrapes the service, and evaluates the rules, each second."""
    target = watched.url.removeprefix("http://")
    for file in DEPLOYMENT.iterdir():
        text = file.read_text().replace("service:8000", target).replace("15s", "1s")
        (tmp_path / file.name).write_text(text)
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    options = {
        "config.file": tmp_path / "prometheus.yml",
        "storage.tsdb.path": tmp_path / "data",
        "web.listen-address": address,
    }
    command = ["prometheus", *(f"--{name}={value}" for name, value in options.items())]
    with (
        subprocess.Popen(command, stderr=subprocess.DEVNULL) as process,
        httpx.Client(base_url=f"http://{address}/api/v1", trust_env=False) as client,
    ):
        yield client
        process.terminate()


def ask(client: httpx.Client, path: str, **query: str) -> Any:
    try:
        return client.get(path, params=query).raise_for_status().json()["data"]
    except httpx.HTTPError:  # it starts
        return {"groups": [], "alerts": [], "result": []}


def rules(client: httpx.Client) -> list[dict[str, Any]]:
    return [rule for group in ask(client, "rules")["groups"] for rule in group["rules"]]


def value(client: httpx.Client, query: str) -> float:
    found = ask(client, "query", query=query)["result"]
    return float(found[0]["value"][1]) if found else 0.0


def alerts(client: httpx.Client) -> dict[str, str]:
    """The state of each alert that is not silent."""
    return {item["labels"]["alertname"]: item["state"] for item in ask(client, "alerts")["alerts"]}


def test_prometheus_reads_a_service_evaluates_every_rule_and_sees_its_faults(
    prometheus: httpx.Client,
    watched: Service,
    tmp_path: Path,
    models: Models,
    instances: list[dict[str, Any]],
) -> None:
    watched.predict(instances[:1])
    until(lambda: value(prometheus, 'up{job="housing"}') == 1)
    until(lambda: value(prometheus, "sum(housing_predictions_total)") == 1)
    until(lambda: {rule["health"] for rule in rules(prometheus)} == {"ok"})
    assert alerts(prometheus) == {}

    home = Home(tmp_path / "home")
    damaged = home.publish_files(models.second.bundle.files(), models.second.bundle.digest, "2")
    (home.releases.root / "bundles" / damaged.bundle / MODEL).write_bytes(b"damaged")
    home.promote(damaged)
    until(lambda: alerts(prometheus).get("HousingReloadRejected") == "firing")

    def one_price_to_all() -> bool:
        watched.predict(instances[:1] * 300)
        return alerts(prometheus).get("HousingPredictionsCollapsed") == "pending"

    until(one_price_to_all)
    assert set(alerts(prometheus)) == {"HousingReloadRejected", "HousingPredictionsCollapsed"}
