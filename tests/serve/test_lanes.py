"""Each kind of work has threads and a limit of its own: one that is too much degrades alone."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.serve.conftest import Home
from tests.serve.conftest import Service as RunningService
from tests.serve.faulty_bundles import CHEAP, hanging, raising

if TYPE_CHECKING:
    from tests.serve.conftest import Models, Service

CALLERS = 80
LARGE = 17


def test_eighty_callers_of_explanations_lock_out_no_large_request(
    service: Service, instances: list[dict[str, Any]]
) -> None:
    asked = {"instances": instances[:10]}
    done = False

    def explain(_: int) -> Counter[int]:
        found: Counter[int] = Counter()
        with service.new_client() as client:
            while not done:
                found[client.post("/api/v1/explain", json=asked).status_code] += 1
        return found

    with ThreadPoolExecutor(CALLERS) as pool:
        explained = [pool.submit(explain, number) for number in range(CALLERS)]
        try:
            statuses = [service.predict(instances[:LARGE]).status_code for _ in range(15)]
        finally:
            done = True
        total = sum((found.result() for found in explained), Counter[int]())
    assert statuses == [200] * 15
    assert total[200] > 0
    assert total.keys() <= {200, 503}


@pytest.fixture
def dear_and_cheap(
    models: Models, instances: list[dict[str, Any]]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """A large request each: of rows that a faulty bundle prices, and with one that it does not."""
    price = models.first.bundle.predict(models.raw)
    rows = list(zip(instances, price.tolist(), strict=True))
    dear = [row for row, dollars in rows if dollars > 1.1 * CHEAP][:LARGE]
    return dear, [*dear, next(row for row, dollars in rows if dollars < 0.9 * CHEAP)]


def test_large_requests_are_answered_beside_one_whose_trees_hang(
    own_home: Home, models: Models, dear_and_cheap: tuple[list[dict[str, Any]], ...]
) -> None:
    dear, cheap = dear_and_cheap
    own_home.publish(hanging(models.first.bundle), "2")
    with RunningService(own_home.path) as service:
        with pytest.raises(httpx.ReadTimeout):
            service.predict(cheap, timeout=0.5)
        assert [service.predict(dear).status_code for _ in range(3)] == [200] * 3


def test_large_requests_are_answered_after_some_that_failed(
    own_home: Home, models: Models, dear_and_cheap: tuple[list[dict[str, Any]], ...]
) -> None:
    dear, cheap = dear_and_cheap
    own_home.publish(raising(models.first.bundle), "2")
    with RunningService(own_home.path) as service:
        assert [service.predict(cheap).status_code for _ in range(3)] == [500] * 3
        assert service.predict(dear).status_code == 200
