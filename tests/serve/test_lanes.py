"""Each kind of work has threads and a limit of its own: one that is too much degrades alone."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.serve.conftest import Service

CALLERS = 80


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
            statuses = [service.predict(instances[:17]).status_code for _ in range(15)]
        finally:
            done = True
        total = sum((found.result() for found in explained), Counter[int]())
    assert statuses == [200] * 15
    assert total[200] > 0
    assert total.keys() <= {200, 503}
