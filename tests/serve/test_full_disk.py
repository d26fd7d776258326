"""A disk without room, before the start and during the run: told, survived, and tried again."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.serve.conftest import Home
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.serve.conftest import Models, Service

MEGABYTES = 24


class Disk:
    """A small disk of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ballast = path / "ballast"

    def fill(self) -> None:
        with self._ballast.open("wb", buffering=0) as file:
            try:
                while file.write(b"x" * 4096):
                    pass
            except OSError:
                return

    def free(self) -> None:
        self._ballast.unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    path = tmp_path / "disk"
    path.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={MEGABYTES}m", "tmpfs", str(path)]
    try:
        mounted = subprocess.run(["mount", *options], capture_output=True, check=False).returncode
    except FileNotFoundError:
        mounted = -1
    if mounted != 0:
        pytest.skip("a disk can be mounted by root only")
    yield Disk(path)
    subprocess.run(["umount", "--lazy", str(path)], check=True)


@pytest.fixture
def home(tmp_path: Path, models: Models) -> Home:
    """A home on another disk, which has room."""
    found = Home(tmp_path / "home")
    found.publish(models.first.bundle, "1")
    return found


def degraded(service: Service) -> set[str]:
    found = service.deep()["dependencies"].items()
    return {name for name, dependency in found if dependency["state"] == "degraded"}


def failing(service: Service, part: str) -> bool:
    return service.metric("housing_disk_failing", part=part) > 0


@pytest.mark.parametrize("workers", [1, 2])
def test_a_disk_that_is_full_before_the_start_costs_no_answer(
    start: Callable[..., Service],
    home: Home,
    disk: Disk,
    instances: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    workers: int,
) -> None:
    monkeypatch.setenv("TMPDIR", str(disk.path))
    disk.fill()
    state = disk.path / "state"
    service = start(home.path, workers=workers, state=state, requests_per_second=1e6)
    until(lambda: service.output.count("model_loaded") == workers)
    for _ in range(20):
        assert service.predict(instances[:1]).status_code == 200
    parts = {"prediction log", "rate limit", "last good bundle"}
    parts |= {"metrics"} if workers > 1 else set()
    until(lambda: parts <= degraded(service))
    for part in parts:
        until(lambda: failing(service, part))  # noqa: B023
    for word in ("prediction_log_failing", "rate_limit_not_shared", "last_good_not_saved"):
        assert word in service.output
    if workers > 1:
        assert "metrics_not_shared" in service.output

    disk.free()
    until(lambda: not _asked_often(service, instances))
    until(lambda: not any(failing(service, part) for part in parts))
    assert list(state.rglob("*.onnx"))


@pytest.mark.parametrize("workers", [1, 2])
def test_a_disk_that_fills_up_during_the_run_costs_no_answer(
    start: Callable[..., Service],
    home: Home,
    disk: Disk,
    models: Models,
    instances: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    workers: int,
) -> None:
    monkeypatch.setenv("TMPDIR", str(disk.path))
    state = disk.path / "state"
    service = start(home.path, workers=workers, state=state, requests_per_second=1e6)
    until(lambda: not _asked_often(service, instances))
    disk.fill()
    home.publish(models.second.bundle, "2")
    until(lambda: service.version() == "2")
    for amount in range(1, 40):
        assert service.predict(instances[:amount]).status_code == 200
    assert service.predict(instances[:1000]).status_code == 200
    for part in ("prediction log", "last good bundle"):
        until(lambda: failing(service, part))  # noqa: B023

    disk.free()
    until(lambda: not _asked_often(service, instances))
    assert service.predict(instances[:1]).status_code == 200


def _asked_often(service: Service, instances: list[dict[str, Any]]) -> set[str]:
    """What any of the workers has to say."""
    found: set[str] = set()
    for _ in range(8):
        with service.new_client() as client:
            assert client.post("/api/v1/predict", json={"instances": instances[:1]}).is_success
            health = client.get("/health/deep").json()["dependencies"].items()
        found |= {name for name, dependency in health if dependency["state"] == "degraded"}
    return found
