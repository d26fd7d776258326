"""A shadow prices what was answered already; whatever it does, no answer shows it."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.serve.conftest import Home
from tests.serve.conftest import Service as RunningService
from tests.serve.faulty_bundles import CHEAP, hanging, raising
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from housing_ml.bundle.model import Bundle
    from tests.serve.conftest import Models, Service


@pytest.fixture
def home(own_home: Home) -> Home:
    return own_home


@pytest.fixture
def beside(home: Home) -> Iterator[Callable[[Bundle], Service]]:
    """Starts a service whose shadow, version 2, is that bundle."""
    started: list[Service] = []

    def start(bundle: Bundle) -> Service:
        home.try_out("shadow", bundle, "2")
        service = RunningService(home.path, log_segment_seconds=1)
        started.append(service)
        until(lambda: service.metric("housing_model_info", version="2", channel="shadow") == 1)
        return service

    yield start
    for service in started:
        service.stop()


def rows(service: Service, outcome: str) -> float:
    return service.metric("housing_probation_requests_total", channel="shadow", outcome=outcome)


def logged(home: Home, rows: int) -> pa.Table:
    """The prediction log, once it has so many rows."""

    def read() -> pa.Table | None:
        files = sorted(home.releases.root.glob("predictions/*/*.parquet"))
        tables = [pq.read_table(BytesIO(file.read_bytes())) for file in files]
        return pa.concat_tables(tables) if tables else None

    until(lambda: (found := read()) is not None and len(found) >= rows)
    return read()


def test_a_shadow_prices_every_row_and_the_log_holds_both_prices(
    home: Home,
    beside: Callable[[Bundle], Service],
    models: Models,
    instances: list[dict[str, Any]],
) -> None:
    service = beside(models.second.bundle)
    for size in (1, 16, 300):
        answer = service.predict(instances[:size]).json()
        assert (answer["model_version"], answer["channel"]) == ("1", "champion")

    until(lambda: rows(service, "answered") == 317)
    table = logged(home, 2 * 317).to_pandas()
    both = table.pivot_table("predicted_price", "prediction_id", "channel")
    assert len(both) == 317
    ours = table[table.channel == "shadow"]
    assert set(ours.model_version) == {"2"}
    expected = models.second.bundle.predict(models.raw[:300])
    assert max(ours.predicted_price) == pytest.approx(expected.max())
    assert service.metric("housing_shadow_price_ratio_count", version="2") == 317


def test_a_shadow_that_hangs_changes_nothing(
    beside: Callable[[Bundle], Service], models: Models, instances: list[dict[str, Any]]
) -> None:
    service = beside(hanging(models.second.bundle))
    expected = models.first.bundle.predict(models.raw[:1000]).tolist()
    assert min(expected) < CHEAP
    for _ in range(15):
        answer = service.predict(instances[:1000]).json()
        assert [found["predicted_price"] for found in answer["predictions"]] == expected
        assert (answer["model_version"], answer["channel"]) == ("1", "champion")

    assert rows(service, "dropped") >= 4000  # beyond the 10,000 that may wait
    assert rows(service, "answered") == 0
    until(lambda: service.deep()["dependencies"]["shadow"]["state"] == "degraded")
    assert service.deep()["dependencies"]["model"]["state"] == "ok"
    service.stop()  # raises when the process does not end


def test_a_shadow_that_raises_changes_nothing_and_is_counted(
    beside: Callable[[Bundle], Service], models: Models, instances: list[dict[str, Any]]
) -> None:
    service = beside(raising(models.second.bundle))
    prices = models.first.bundle.predict(models.raw[:1000])
    cheap = instances[int((prices < 0.9 * CHEAP).argmax())]
    for _ in range(5):
        assert service.predict([cheap]).json()["model_version"] == "1"

    until(lambda: rows(service, "failed") == 5)
    assert "shadow_failed" in service.output
