"""The OpenAPI document is true: schemathesis finds no answer that it does not describe."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import schemathesis
from hypothesis import given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from housing_ml.data.contract import FIELDS
from tests.serve.conftest import Home
from tests.serve.conftest import Service as RunningService

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.serve.conftest import Models, Service

KEY = "an operator's"

ROUTES = {
    "/api/v1/predict": "POST",
    "/api/v1/explain": "POST",
    "/api/v1/feedback": "POST",
    "/api/v1/model": "GET",
    "/health": "GET",
    "/health/live": "GET",
    "/health/ready": "GET",
    "/health/deep": "GET",
    "/metrics": "GET",
}


UNDESCRIBED = {"/api/v1/feedback": [positive_data_acceptance]}
"""No schema can say which prediction ids were given to the caller."""


@pytest.fixture(scope="session")
def api(service: Service) -> Any:
    return schemathesis.openapi.from_url(f"{service.url}/docs/openapi.json")


@pytest.mark.parametrize(
    ("path", "method", "mode"),
    [
        *((path, method, GenerationMode.POSITIVE) for path, method in ROUTES.items()),
        ("/api/v1/predict", "POST", GenerationMode.NEGATIVE),
        ("/api/v1/explain", "POST", GenerationMode.NEGATIVE),
        ("/api/v1/feedback", "POST", GenerationMode.NEGATIVE),
    ],
)
def test_every_answer_is_as_described(
    api: Any, path: str, method: str, mode: GenerationMode
) -> None:
    @settings(max_examples=40 if method == "POST" else 3, deadline=None, database=None)
    @given(case=api[path][method].as_strategy(generation_mode=mode))
    def call(case: Any) -> None:
        case.call_and_validate(excluded_checks=UNDESCRIBED.get(path, []))

    call()


@pytest.fixture(scope="module")
def complete(
    tmp_path_factory: pytest.TempPathFactory, models: Models
) -> Iterator[tuple[Service, Any]]:
    """A service with the routes that only a setting adds, and its document."""
    home = Home(tmp_path_factory.mktemp("home"))
    home.publish(models.first.bundle, "1")
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    given = {
        "operator_keys": f"operator:{digest}",
        "webhook_secret": "shared",  # pragma: allowlist secret
    }
    with RunningService(home.path, **given) as service:
        yield service, schemathesis.openapi.from_url(f"{service.url}/docs/openapi.json")


@pytest.mark.parametrize(
    ("path", "mode"),
    [
        ("/api/v1/rollback", GenerationMode.POSITIVE),
        ("/api/v1/rollback", GenerationMode.NEGATIVE),
        ("/webhooks/release", GenerationMode.POSITIVE),  # any body may be announced
    ],
)
def test_the_routes_that_a_setting_adds_answer_as_described(
    complete: tuple[Service, Any], path: str, mode: GenerationMode
) -> None:
    service, api = complete

    @settings(max_examples=25, deadline=None, database=None)
    @given(case=api[path]["POST"].as_strategy(generation_mode=mode))
    def call(case: Any) -> None:
        case.call_and_validate(headers={"X-API-Key": KEY})

    call()
    assert service.version() == "1"


def test_bounds_and_units_are_the_contracts(service: Service) -> None:
    schemas = service.client.get("/docs/openapi.json").json()["components"]["schemas"]
    properties = schemas["BlockGroup"]["properties"]
    for name, field in FIELDS.items():
        if name in properties:
            described = properties[name]
            described = next(iter(described.get("anyOf", [described])))
            assert (described["minimum"], described["maximum"]) == (field.minimum, field.maximum)
            assert described["x-unit"] == field.unit


def test_every_route_but_the_docs_is_described(service: Service) -> None:
    paths = service.client.get("/docs/openapi.json").json()["paths"]
    assert paths.keys() == ROUTES.keys()


def test_every_request_success_and_problem_has_an_example_that_its_schema_allows(
    complete: tuple[Service, Any],
) -> None:
    document = complete[0].client.get("/docs/openapi.json").json()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            contents = [*operation.get("requestBody", {}).get("content", {}).values()]
            for response in operation["responses"].values():
                contents += response.get("content", {}).values()
            assert contents, (method, path)
            for content in contents:
                schema = {**content["schema"], "components": document["components"]}
                jsonschema.validate(content["example"], schema)
                if "title" in content["example"]:
                    assert str(content["example"]["status"]) in operation["responses"]
