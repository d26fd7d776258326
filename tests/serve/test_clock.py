"""A clock that is set back by an hour: nobody is locked out, and nothing is lost."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.serve.conftest import Home
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.serve.conftest import Models, Service

LIBRARIES = "/usr/lib/*/faketime/libfaketime.so.1"


def test_a_clock_that_is_set_back_by_an_hour_is_survived(
    start: Callable[..., Service],
    tmp_path: Path,
    models: Models,
    instances: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = sorted(Path("/").glob(LIBRARIES[1:]))
    if not found or shutil.which("faketime") is None:
        pytest.skip("libfaketime is not installed: apt-get install faketime")
    clock = tmp_path / "clock"
    clock.write_text("+0")
    monkeypatch.setenv("LD_PRELOAD", str(found[0]))
    monkeypatch.setenv("FAKETIME_TIMESTAMP_FILE", str(clock))
    monkeypatch.setenv("FAKETIME_NO_CACHE", "1")
    monkeypatch.setenv("FAKETIME_DONT_FAKE_MONOTONIC", "1")
    home = Home(tmp_path / "home")
    home.publish(models.first.bundle, "1")
    service = start(home.path, requests_per_second=50, log_segment_seconds=1)
    monkeypatch.delenv("LD_PRELOAD")
    for _ in range(20):
        answer = service.predict(instances[:1])
        assert answer.status_code == 200
    given = answer.json()["predictions"][0]["prediction_id"]

    clock.write_text("-3600")
    for _ in range(20):
        assert service.predict(instances[:1]).status_code == 200
    price = {"instances": [{"prediction_id": given, "actual_price": 200_000}]}
    assert service.client.post("/api/v1/feedback", json=price).status_code == 202
    home.publish(models.second.bundle, "2")
    until(lambda: service.version() == "2")
    assert service.predict(instances[:1]).json()["model_version"] == "2"
    until(lambda: service.metric("housing_log_shipments_total", outcome="done") >= 1)
    assert service.deep()["status"] == "ok"
    service.stop()
    logged = list((home.releases.root / "predictions").rglob("*.parquet"))
    assert logged
    assert "Traceback" not in service.output
    lines = [json.loads(line)["timestamp"] for line in service.output.splitlines() if "{" in line]
    assert lines != sorted(lines)  # the clock did go back
