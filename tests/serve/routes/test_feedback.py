"""Actual prices that come later: kept before they are acknowledged."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from housing_ml.feedback.actual_prices import batches
from housing_ml.storage.versioned import LocalReleases
from tests.serve.conftest import Home

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import httpx

    from tests.serve.conftest import Models, Service


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


def test_an_id_that_was_given_to_nobody_or_to_another_is_refused_by_instance(
    start: Callable[..., Service], instances: list[dict[str, Any]]
) -> None:
    keys = {name: hashlib.sha256(name.encode()).hexdigest() for name in ("anna", "bert")}
    service = start(api_keys=",".join(f"{name}:{digest}" for name, digest in keys.items()))
    anna, bert = ({"X-API-Key": name} for name in keys)
    predicted = service.predict(instances[:2], headers=anna).json()["predictions"]
    names = [predicted[0]["prediction_id"], "1c0f-0", predicted[1]["prediction_id"]]
    document = {"instances": [{"prediction_id": name, "actual_price": 2e5} for name in names]}

    hers = service.client.post("/api/v1/feedback", json=document, headers=anna)
    his = service.client.post("/api/v1/feedback", json=document, headers=bert)

    assert (hers.status_code, hers.json()["received"]) == (202, 2)
    assert [error["path"] for error in hers.json()["refused"]] == ["instances[1].prediction_id"]
    assert his.status_code == 400
    assert len(his.json()["errors"]) == 3


def test_many_connections_make_few_files_and_a_day_has_a_bound(
    start: Callable[..., Service], tmp_path: Path, models: Models, instances: list[dict[str, Any]]
) -> None:
    own = Home(tmp_path)
    own.publish(models.first.bundle, "1")
    service = start(tmp_path, feedback_per_day=120)
    predicted = service.predict(instances[:120]).json()["predictions"]
    bodies = [
        {"instances": [{"prediction_id": found["prediction_id"], "actual_price": 2e5}]}
        for found in predicted
    ]
    with ThreadPoolExecutor(20) as pool:
        statuses = list(pool.map(lambda body: _post(service, body).status_code, bodies))

    assert set(statuses) == {202}
    assert len(kept(own)) == 120
    files = list((own.releases.root / "feedback").glob("date=*/*.json"))
    assert len(files) < 60
    refused = _post(service, bodies[0])
    assert refused.status_code == 429
    assert 0 < int(refused.headers["Retry-After"]) <= 86_400


def _post(service: Service, body: dict[str, Any]) -> httpx.Response:
    return service.client.post("/api/v1/feedback", json=body)
