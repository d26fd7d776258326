"""Operators ask why a price was said: over HTTP and on a page, for who has their key."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Page, expect

from housing_ml.data.contract import COLUMNS
from tests.serve.conftest import Home
from tests.serve.conftest import Service as RunningService
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.serve.conftest import Models, Service

OPERATOR, CALLER = "a-long-random-operator-key", "a-long-random-key"


def digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, models: Models) -> Iterator[Service]:
    home = Home(tmp_path_factory.mktemp("home"))
    home.publish(models.first.bundle, "1")
    home.publish_files(models.second.bundle.files(), models.second.bundle.digest, "2")
    keys = {"operator_keys": f"ann:{digest(OPERATOR)}", "api_keys": f"shop:{digest(CALLER)}"}
    with RunningService(home.path, log_flush_seconds=0.1, log_segment_seconds=0.1, **keys) as found:
        yield found


@pytest.fixture(scope="module")
def said(service: Service, instances: list[dict[str, Any]]) -> dict[str, Any]:
    """A price that is in the log, and whose house was sold since."""
    headers = {"X-API-Key": CALLER}
    answer = service.predict(instances[:3], headers=headers).json()
    prediction = answer["predictions"][1]
    sold = [{"prediction_id": prediction["prediction_id"], "actual_price": 300_000.0}]
    sent = service.client.post("/api/v1/feedback", json={"instances": sold}, headers=headers)
    assert sent.status_code in {200, 202}
    until(lambda: ask(service, prediction["prediction_id"]).status_code == 200)
    return dict(prediction)


def ask(service: Service, name: str, key: str | None = OPERATOR, **query: str) -> Any:
    headers = {"X-API-Key": key} if key else {}
    return service.client.get(f"/api/v1/predictions/{name}", headers=headers, params=query)


def test_a_price_comes_back_with_its_row_reasons_and_what_the_house_cost(
    service: Service, said: dict[str, Any], instances: list[dict[str, Any]]
) -> None:
    found = ask(service, said["prediction_id"]).json()

    for name in ("predicted_price", "at_least"):
        assert found[name] == said[name]
    assert found["row"] == {name: instances[1][name] for name in COLUMNS}
    assert (found["model_version"], found["channel"]) == ("1", "champion")
    assert (found["actual_price"], found["actual_from"]) == (300_000.0, "shop")
    whole = found["base_price"] + sum(found["contributions"].values())
    assert whole == pytest.approx(said["predicted_price"])
    assert len(found["comparables"]) == 5
    day = found["at"][:10]
    assert ask(service, said["prediction_id"], day=day).json() == found
    assert ask(service, said["prediction_id"], day="2020-01-01").status_code == 404


def test_only_operators_may_and_what_there_is_not_is_said(
    service: Service, said: dict[str, Any]
) -> None:
    assert ask(service, said["prediction_id"], None).status_code == 401
    assert ask(service, said["prediction_id"], CALLER).status_code == 403
    missing = ask(service, "0" * 48)
    assert (missing.status_code, "in the log" in missing.json()["detail"]) == (404, True)
    assert ask(service, said["prediction_id"], day="Tuesday").status_code == 400
    paths = service.client.get("/docs/openapi.json").json()["paths"]
    assert "/api/v1/predictions/{prediction_id}" in paths


def test_the_page_tells_an_operator_why(
    service: Service, said: dict[str, Any], visit: Callable[..., Page]
) -> None:
    page = visit(f"{service.url}/operators/prediction?id={said['prediction_id']}")
    page.get_by_label("Operator's key").fill(OPERATOR)
    page.get_by_role("button", name="Look it up").click()

    more = " or more" if said["at_least"] else ""
    expect(page.locator(".money")).to_have_text(f"${said['predicted_price']:,.0f}{more}")
    expect(page.locator("#answer")).to_contain_text("The house really cost $300,000, as shop sent")
    expect(page.locator("#reasons tbody tr")).to_have_count(10)
    expect(page.locator("#row")).to_contain_text("Median income")
    assert OPERATOR not in page.url
