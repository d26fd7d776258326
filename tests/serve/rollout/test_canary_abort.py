"""A bad canary ends by itself: the service counts, the watch decides, the service follows."""

from __future__ import annotations

import itertools
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from flows.release import run_canary_watch
from housing_ml.releases.channels import history, read_channels
from housing_ml.rollout.decision import WatchPolicy
from tests.serve.conftest import Home
from tests.serve.conftest import Service as RunningService
from tests.serve.faulty_bundles import CHEAP, raising, slow, twice_the_price

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from housing_ml.bundle.model import Bundle
    from tests.serve.conftest import Models, Service

POLICY = WatchPolicy(look_seconds=0.5)
CALLERS = 4
PAUSE_SECONDS = 0.01
"""Between two requests of a caller: without one, they would take all processors till the end."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, models: Models) -> Home:
    found = Home(tmp_path_factory.mktemp("home"))
    found.publish(models.first.bundle, "1")
    return found


@pytest.fixture(scope="module")
def service(home: Home) -> Iterator[Service]:
    with RunningService(home.path) as found:
        yield found


@pytest.fixture
def settings(home: Home, prefect_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The watch's settings: the service's home, a Prefect server, and no MLflow that answers."""
    assert prefect_server
    monkeypatch.setenv("HOUSING_HOME", str(home.path))
    monkeypatch.setenv("HOUSING_MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")


def call(service: Service, rows: list[dict[str, Any]], stopped: threading.Event) -> list[int]:
    """Ask until told to stop, and once more; return the statuses."""
    going_on = itertools.takewhile(lambda _: not stopped.wait(PAUSE_SECONDS), itertools.cycle(rows))
    with service.new_client() as client:
        return [
            client.post("/api/v1/predict", json={"instances": [row]}).status_code
            for row in itertools.chain(going_on, rows[:1])
        ]


@pytest.mark.usefixtures("settings")
@pytest.mark.parametrize(
    ("fault", "reason"),
    [(raising, "failed requests"), (slow, "slow requests"), (twice_the_price, "prices")],
)
def test_a_bad_canary_is_aborted_while_every_request_is_answered(
    home: Home,
    service: Service,
    models: Models,
    instances: list[dict[str, Any]],
    fault: Callable[[Bundle], Bundle],
    reason: str,
) -> None:
    cheap = models.first.bundle.predict(models.raw[:1000]) < 0.9 * CHEAP
    rows = [row for row, is_cheap in zip(instances, cheap, strict=False) if is_cheap]
    stopped = threading.Event()
    with ThreadPoolExecutor(CALLERS) as pool:
        calls = [pool.submit(call, service, rows, stopped) for _ in range(CALLERS)]
        try:
            bundle = fault(models.first.bundle)
            started = home.try_out("canary", bundle, fault.__name__, share=0.3).promoted_at
            result = run_canary_watch(POLICY, verbose=True)
        finally:
            stopped.set()
        statuses = [status for found in calls for status in found.result()]

    event = history(home.releases)[-1]
    seconds = (datetime.fromisoformat(event.at) - datetime.fromisoformat(started)).total_seconds()
    sys.stdout.write(f"{reason}: ended after {seconds:.1f} s, {result.requests} requests\n")
    assert result.outcome == "aborted", result
    assert result.reasons[0].startswith(reason)
    assert set(statuses) == {200}
    assert event.kind == "canary stopped"
    channels, _ = read_channels(home.releases)
    assert set(channels.channels) == {"champion"}
    assert any(reason in why for why in channels.withdrawn.values())
