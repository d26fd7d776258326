"""From the command to every worker on the old version, while callers ask without a pause."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

from housing_ml.releases.champion import promote_version
from housing_ml.releases.channels import record_release
from tests.serve.conftest import Home
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.serve.conftest import Models, Service

WORKERS = 3
CALLERS = 3
MANY = 50
"""Answers, before the command and after it."""


class Answer(NamedTuple):
    asked: float
    status: int
    version: str
    price: float


def call(
    service: Service, row: dict[str, Any], found: list[Answer], stopped: threading.Event
) -> None:
    """Ask until told to stop, on a new connection every few requests to meet every worker."""
    while not stopped.is_set():
        with service.new_client() as client:
            for _ in range(5):
                asked = time.monotonic()
                answer = client.post("/api/v1/predict", json={"instances": [row]})
                body = answer.json()
                price = body["predictions"][0]["predicted_price"] if answer.is_success else 0.0
                version = body.get("model_version", "")
                found.append(Answer(asked, answer.status_code, version, price))


def roll_back(home: Home) -> None:
    """Run the command, with MLflow out, until it says that it is done."""
    out = {"HOUSING_MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}
    with subprocess.Popen(
        [sys.executable, "-m", "housing_ml.cli", "rollback", "--why", "prices too high"],
        env=os.environ | {"HOUSING_HOME": str(home.path)} | out,
        cwd=home.path,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as command:
        assert command.stdout
        said = command.stdout.readline()
        command.kill()  # what is left is to tell MLflow
    assert "version 1 is the champion again" in said


def loads(service: Service, version: str) -> int:
    """How often a worker has said that a version answers; one may be too busy at its first try."""
    said = f'"version": "{version}"'
    lines = service.output.splitlines()
    return sum("model_loaded" in line and said in line for line in lines)


def test_every_worker_goes_back_and_no_request_fails(
    start: Callable[..., Service],
    tmp_path: Path,
    models: Models,
    instances: list[dict[str, Any]],
) -> None:
    home = Home(tmp_path)
    bundles = {"1": models.first.bundle, "2": models.second.bundle}
    for version, bundle in bundles.items():
        record_release(home.releases, home.publish_files(bundle.files(), bundle.digest, version))
        promote_version(home.releases, version, why="better", by="test")
    service = start(tmp_path, workers=WORKERS)
    answers, stopped = list[Answer](), threading.Event()
    with ThreadPoolExecutor(CALLERS) as pool:
        calls = [pool.submit(call, service, instances[0], answers, stopped) for _ in range(CALLERS)]
        try:
            until(lambda: len(answers) > MANY)
            roll_back(home)
            until(lambda: loads(service, "1") == WORKERS)
            back = time.monotonic()
            until(lambda: sum(answer.asked > back for answer in list(answers)) > MANY)
        finally:
            stopped.set()
        for caller in calls:
            caller.result()

    assert {answer.status for answer in answers} == {200}
    prices = {name: bundle.predict(models.raw[:1])[0] for name, bundle in bundles.items()}
    assert all(answer.price == prices[answer.version] for answer in answers)
    assert {answer.version for answer in answers if answer.asked > back} == {"1"}
    assert loads(service, "1") == WORKERS  # each has loaded it, once
