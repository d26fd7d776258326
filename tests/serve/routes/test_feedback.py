"""Actual prices that come later: kept before they are acknowledged."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from housing_ml.feedback.actual_prices import batches
from housing_ml.storage.versioned import LocalReleases

if TYPE_CHECKING:
    from tests.serve.conftest import Home, Service


def kept(home: Home) -> dict[str, float]:
    storage = LocalReleases(home.path / "storage" / "releases")
    found = batches(storage, [datetime.now(UTC).date()])
    return {item.prediction_id: item.actual_price for batch in found for item in batch.items}


def test_a_price_is_on_disk_when_it_is_acknowledged_and_may_come_twice(
    service: Service, home: Home, instances: list[dict[str, Any]]
) -> None:
    predicted = service.predict(instances[:2]).json()["predictions"]
    ids = [item["prediction_id"] for item in predicted]
    document = {"instances": [{"prediction_id": name, "actual_price": 200_000} for name in ids]}

    answers = [service.client.post("/api/v1/feedback", json=document) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].json() == {"received": 2}
    assert dict.fromkeys(ids, 200000).items() <= kept(home).items()


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ({"instances": []}, "instances"),
        ({"instances": [{"prediction_id": "a", "actual_price": -1}]}, "instances[0].actual_price"),
        ({"instances": [{"prediction_id": "a"}]}, "instances[0]"),
        ([], "body"),
    ],
)
def test_what_is_no_price_is_refused_with_its_place(
    service: Service, document: Any, path: str
) -> None:
    answer = service.client.post("/api/v1/feedback", json=document)

    assert answer.status_code == 400
    assert [error["path"] for error in answer.json()["errors"]] == [path]
