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

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.serve.conftest import Models, Service

WORKERS = 3
CALLERS = 3
LIMIT_SECONDS = 10.0


class Answer(NamedTuple):
    at: float
    status: int
    version: str
    price: float


def call(service: Service, row: dict[str, Any], stopped: threading.Event) -> list[Answer]:
    """Ask until told to stop, on a new connection every few requests to meet every worker."""
    found = []
    while not stopped.is_set():
        with service.new_client() as client:
            for _ in range(5):
                answer = client.post("/api/v1/predict", json={"instances": [row]})
                body = answer.json()
                price = body["predictions"][0]["predicted_price"] if answer.is_success else 0.0
                version = body.get("model_version", "")
                found.append(Answer(time.monotonic(), answer.status_code, version, price))
    return found


def roll_back(home: Home) -> tuple[float, float]:
    """Run the command, with MLflow out; return when it was typed, and when it said it was done."""
    out = {"HOUSING_MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}
    typed = time.monotonic()
    with subprocess.Popen(
        [sys.executable, "-m", "housing_ml.cli", "rollback", "--why", "prices too high"],
        env=os.environ | {"HOUSING_HOME": str(home.path)} | out,
        cwd=home.path,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as command:
        assert command.stdout
        said, done = command.stdout.readline(), time.monotonic()
        command.kill()  # what is left is to tell MLflow
    assert "version 1 is the champion again" in said
    return typed, done


def test_every_worker_is_back_within_ten_seconds_and_no_request_fails(
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
    stopped = threading.Event()
    with ThreadPoolExecutor(CALLERS) as pool:
        calls = [pool.submit(call, service, instances[0], stopped) for _ in range(CALLERS)]
        try:
            time.sleep(1)
            typed, done = roll_back(home)
            time.sleep(LIMIT_SECONDS / 2)
        finally:
            stopped.set()
        answers = [answer for found in calls for answer in found.result()]

    assert {answer.status for answer in answers} == {200}
    prices = {name: bundle.predict(models.raw[:1])[0] for name, bundle in bundles.items()}
    assert all(answer.price == prices[answer.version] for answer in answers)
    last = max(answer.at for answer in answers if answer.version == "2")
    sys.stdout.write(
        f"{len(answers)} requests; the last by the new version came {last - typed:.1f} s after the "
        f"command was typed, {last - done:+.1f} s from when it was done\n"
    )
    assert last - typed < LIMIT_SECONDS
    assert service.output.count('"version": "1"') == WORKERS  # each has loaded it, once
    assert sum(answer.version == "1" for answer in answers) > 50
