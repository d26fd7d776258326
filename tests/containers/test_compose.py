"""The whole platform in containers, by Docker's engine: started, used, hurt, taken down.

It takes minutes and needs images: `make containers-test` builds those that no registry has to give.
"""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from deployments.cloud_run.verify import PLACE
from tests.containers.compose import Compose, docker
from tests.integration.monitoring_loop import LEARNER
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

ROOT = Path(__file__).parents[2]


def engine_answers() -> bool:
    if not (os.environ.get("HOUSING_CONTAINERS") and shutil.which("docker")):
        return False
    return subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0


pytestmark = pytest.mark.skipif(
    not engine_answers(), reason="takes minutes, and Docker's engine: make containers-test"
)


@pytest.fixture(scope="module")
def compose(
    tmp_path_factory: pytest.TempPathFactory, housing_frame: pd.DataFrame
) -> Iterator[Compose]:
    scratch = tmp_path_factory.mktemp("compose")
    rows = scratch / "rows.csv"
    housing_frame.sample(1_500, random_state=7).to_csv(rows, index=False)
    for path in (scratch, scratch.parent, scratch.parent.parent, rows):
        path.chmod(path.stat().st_mode | 0o055)
    stack = Compose(ROOT / "compose.yaml", scratch, {"HOUSING_DATA_URL": "/rows.csv"})
    try:
        stack.up({"worker": [f"--volume={rows}:/rows.csv:ro"]})
        yield stack
    finally:
        stack.down()


def prefect(compose: Compose, path: str, body: dict[str, Any]) -> Any:
    url = f"{compose.address('prefect')}/api/{path}"
    return httpx.post(url, json=body, trust_env=False, timeout=60).raise_for_status().json()


def retrain(compose: Compose, learning_rate: float) -> None:
    """Press retrain as the page does, and wait for its end."""
    named = {"deployments": {"name": {"any_": ["retrain"]}}}
    (deployment,) = prefect(compose, "deployments/filter", named)
    model = LEARNER["selection"]["candidates"][0]
    grid = {**model["grid"], "learning_rate": [learning_rate]}
    selection = {**LEARNER["selection"], "candidates": [{**model, "grid": grid}]}
    config = {**LEARNER, "selection": selection}
    run = prefect(
        compose,
        f"deployments/{deployment['id']}/create_flow_run",
        {"parameters": {"config": config}},
    )

    def ended() -> bool:
        found = prefect(compose, "flow_runs/filter", {"flow_runs": {"id": {"any_": [run["id"]]}}})
        state = found[0]["state"]
        assert state["type"] not in {"FAILED", "CRASHED", "CANCELLED"}, (
            state["message"],
            compose.logs("worker"),
        )
        return bool(state["type"] == "COMPLETED")

    until(ended, seconds=900)


def priced(compose: Compose) -> dict[str, Any]:
    """Ask the service for a price; empty where it gives none."""
    try:
        answer = httpx.post(
            f"{compose.address('service')}/api/v1/predict",
            json={"instances": [PLACE]},
            trust_env=False,
        )
    except httpx.TransportError:
        return {}
    return dict(answer.json()) if answer.is_success else {}


def version(compose: Compose) -> str:
    return str(priced(compose).get("model_version", ""))


def in_bucket(compose: Compose) -> set[str]:
    """Return the folders at the top of the emulated bucket."""
    asking = (
        "import json, urllib.request as u; print(' '.join(json.load(u.urlopen("
        "'http://gcs:4443/storage/v1/b/housing/o?delimiter=/')).get('prefixes', [])))"
    )
    worker = compose.container("worker")
    return set(docker("exec", worker, "python", "-c", asking).split())


def test_the_platform_starts_prices_survives_and_rolls_back(compose: Compose) -> None:
    assert list(compose.seconds) == list(compose.ordered())

    retrain(compose, 0.02)
    until(lambda: version(compose) == "1")
    assert 50_000 < priced(compose)["predictions"][0]["predicted_price"] < 600_000
    assert "releases/" in in_bucket(compose)
    retrain(compose, 0.1)
    until(lambda: version(compose) == "2")

    for name, service in compose.services.items():
        if service.get("restart") != "no":
            compose.crash(name)
    until(lambda: version(compose) == "2")

    docker("exec", compose.container("worker"), "housing", "rollback", "--why", "a test")
    until(lambda: version(compose) == "1")
    report = {name: f"{seconds:.0f} s" for name, seconds in compose.seconds.items()}
    for image in ("housing-serve", "housing-pipeline"):
        size = int(docker("image", "inspect", "--format", "{{.Size}}", image))
        report[image] = f"{size / 1e6:.0f} MB"
    logging.getLogger(__name__).info("%s", report)


def test_prefects_page_and_the_alerts_of_prometheus_are_there(compose: Compose) -> None:
    page = httpx.get(compose.address("prefect"), trust_env=False, follow_redirects=True)
    assert 'id="app"' in page.text
    told = httpx.get(f"{compose.address('prometheus')}/api/v1/alertmanagers", trust_env=False)
    (alertmanager,) = told.json()["data"]["activeAlertmanagers"]
    assert alertmanager["url"] == "http://alertmanager:9093/api/v2/alerts"
