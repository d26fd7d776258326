"""What a running service costs: what it imports, how much memory it holds."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.serve.conftest import Home, Service

HEAVY = {"prefect", "mlflow", "sklearn", "pandas", "pydantic", "pyarrow", "wandb", "matplotlib"}
MEGABYTES = 200
START = 1.5
"""Processor time until the first answer, of that of importing the libraries alone."""

LIBRARIES = """
import litestar, litestar.openapi.config, litestar.openapi.plugins, msgspec, structlog, uvicorn
import numpy, onnxruntime, safetensors.numpy
"""

USE_EVERYTHING = """
import asyncio, json, sys, threading, time
import httpx, uvicorn
from serve.app import create_app

server = uvicorn.Server(uvicorn.Config(create_app(), port=0, log_level="error"))
thread = threading.Thread(target=server.run)
thread.start()
while not server.started:
    time.sleep(0.02)
port = server.servers[0].sockets[0].getsockname()[1]
instances = json.loads(sys.stdin.read())
with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
    for path in ("predict", "explain"):
        client.post(f"/api/v1/{path}", json={"instances": instances}).raise_for_status()
    client.post("/api/v1/predict", json={"instances": [{}]})
    for path in ("health", "health/deep", "metrics", "docs", "docs/openapi.json", "api/v1/model"):
        client.get("/" + path).raise_for_status()
server.should_exit = True
thread.join()
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def test_a_service_that_was_used_for_everything_has_imported_no_training_library(
    home: Home, instances: list[dict[str, Any]]
) -> None:
    run = subprocess.run(
        [sys.executable, "-c", USE_EVERYTHING],
        input=json.dumps(instances[:10]),
        env=os.environ | {"HOUSING_HOME": str(home.path)},
        cwd=home.path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert HEAVY.isdisjoint(json.loads(run.stdout.splitlines()[-1]))


def test_from_start_to_first_answer_it_takes_little_cpu(
    start: Callable[..., Service], instances: list[dict[str, Any]]
) -> None:
    def of_the_libraries() -> float:
        before = _cpu_seconds()
        subprocess.run([sys.executable, "-c", LIBRARIES], check=True)
        return _cpu_seconds() - before

    def of_the_service() -> float:
        fresh = start()
        assert fresh.predict(instances[:1]).status_code == 200
        return fresh.cpu_seconds

    # What else runs makes both dearer by turns: three pairs tell the cheapest of each.
    pairs = [(of_the_service(), of_the_libraries()) for _ in range(3)]
    services, libraries = zip(*pairs, strict=True)
    assert min(services) < START * min(libraries)


def _cpu_seconds() -> float:
    """Processor time of the processes that this one has waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_a_service_under_use_holds_less_than_200_megabytes(
    service: Service, instances: list[dict[str, Any]]
) -> None:
    for _ in range(10):
        assert service.predict(instances[:1000]).status_code == 200
        service.client.post("/api/v1/explain", json={"instances": instances[:10]})
    assert service.resident_megabytes < MEGABYTES
