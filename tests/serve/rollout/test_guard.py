"""A broken champion is taken back by the service itself, and a sound one stays."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from housing_ml.releases.champion import promote_version
from housing_ml.releases.channels import history, read_channels, record_release
from tests.serve.conftest import Home
from tests.serve.conftest import Service as RunningService
from tests.serve.faulty_bundles import CHEAP, raising, twice_the_price
from tests.serve.rollout.test_canary_abort import CALLERS, call
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from housing_ml.bundle.model import Bundle
    from tests.serve.conftest import Models, Service


@pytest.fixture
def home(own_home: Home) -> Home:
    return own_home


def promote(home: Home, bundle: Bundle, version: str, hours: float = 6.0) -> None:
    release = home.publish_files(bundle.files(), bundle.digest, version)
    record_release(home.releases, msgspec.structs.replace(release, guard_hours=hours))
    promote_version(home.releases, version, why="better", by="test")


def champion(home: Home) -> str:
    return read_channels(home.releases)[0].channels["champion"].version


@pytest.mark.parametrize(
    ("fault", "reason"), [(raising, "failed requests"), (twice_the_price, "prices")]
)
def test_a_broken_champion_goes_back_by_itself_and_says_why(
    home: Home,
    models: Models,
    instances: list[dict[str, Any]],
    fault: Callable[[Bundle], Bundle],
    reason: str,
) -> None:
    cheap = models.first.bundle.predict(models.raw[:1000]) < 0.9 * CHEAP
    rows = [row for row, is_cheap in zip(instances, cheap, strict=False) if is_cheap]
    stopped = threading.Event()
    with RunningService(home.path) as service, ThreadPoolExecutor(CALLERS) as pool:
        promote(home, fault(models.first.bundle), "2")
        calls = [pool.submit(call, service, rows, stopped) for _ in range(CALLERS)]
        try:
            until(lambda: champion(home) == "1")
            until(lambda: service.version() == "1")
        finally:
            stopped.set()
        assert [found.result()[-1] for found in calls] == [200] * CALLERS
        assert "previous" not in service.deep()["dependencies"]

    event = history(home.releases)[-1]
    assert (event.kind, event.by) == ("rollback", "promotion guard")
    assert reason in event.reason
    assert event.evidence["from_version"] == "2"


def test_a_sound_champion_is_held_against_the_one_before_for_its_hours_and_stays(
    home: Home, models: Models, instances: list[dict[str, Any]]
) -> None:
    with RunningService(home.path) as service:
        promote(home, models.second.bundle, "2", hours=0)
        until(lambda: service.version() == "2")
        assert "previous" not in service.deep()["dependencies"]

        promote(home, models.first.bundle, "3")
        until(lambda: "previous" in service.deep()["dependencies"])
        _ask(service, instances[:20])
        until(
            lambda: "20 requests, 0 failed" in service.deep()["dependencies"]["previous"]["detail"]
        )
        assert champion(home) == "3"


def _ask(service: Service, rows: list[dict[str, Any]]) -> None:
    for row in rows:
        assert service.predict([row]).status_code == 200
