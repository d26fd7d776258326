"""What a caller and an operator get from a running service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from housing_ml.releases.status import service_health
from tests.waiting import until

if TYPE_CHECKING:
    from tests.serve.conftest import Models, Service


def prices(predictions: list[dict[str, Any]]) -> list[list[float]]:
    return [
        [
            found["predicted_price"],
            found["prediction_interval"]["lower"],
            found["prediction_interval"]["upper"],
        ]
        for found in predictions
    ]


def test_every_held_out_row_has_the_price_that_training_gives_it(
    service: Service, models: Models, instances: list[dict[str, Any]]
) -> None:
    answered = []
    for start in range(0, len(instances), 1000):
        answered += service.predict(instances[start : start + 1000]).json()["predictions"]
    offline = np.column_stack(models.first.bundle.predict_matrix(models.raw))
    assert prices(answered) == offline.tolist()
    limits = models.first.bundle.manifest.price_range
    pipeline = models.first.pipeline.predict(models.raw).clip(limits.minimum, limits.maximum)
    np.testing.assert_allclose([row[0] for row in prices(answered)], pipeline, rtol=1e-6)


def test_a_row_alone_has_the_same_price_to_the_last_bit_as_among_a_thousand(
    service: Service, instances: list[dict[str, Any]]
) -> None:
    together = service.predict(instances[:1000]).json()["predictions"][:200]
    alone = [service.predict([row]).json()["predictions"][0] for row in instances[:200]]
    assert prices(alone) == prices(together)


def test_a_prediction_names_its_model_and_has_an_id_of_its_own(
    service: Service, instances: list[dict[str, Any]]
) -> None:
    answer = service.predict(instances[:50]).json()
    assert (answer["model_version"], answer["channel"]) == ("1", "champion")
    assert len({found["prediction_id"] for found in answer["predictions"]}) == 50
    for price, lower, upper in prices(answer["predictions"]):
        assert lower <= price <= upper
    assert {found["prediction_interval"]["level"] for found in answer["predictions"]} == {0.9}


def test_inputs_beyond_the_training_data_are_named_and_the_price_stays_in_its_range(
    service: Service, models: Models, instances: list[dict[str, Any]]
) -> None:
    row = instances[0] | {"median_income": 99.5, "population": 99_000, "ocean_proximity": "ISLAND"}
    (found,) = service.predict([row]).json()["predictions"]
    warned = " ".join(found["warnings"])
    assert all(name in warned for name in ("median_income", "population"))
    limits = models.first.bundle.manifest.price_range
    assert limits.minimum <= found["predicted_price"] <= limits.maximum


def test_a_price_whose_interval_reaches_the_end_of_the_known_prices_is_at_least_that(
    service: Service, models: Models, instances: list[dict[str, Any]]
) -> None:
    answered = service.predict(instances[:1000]).json()["predictions"]
    limit = models.first.bundle.manifest.price_range.maximum
    told = [found["at_least"] for found in answered]

    assert told == [upper >= limit for _, _, upper in prices(answered)]
    assert True in told
    assert False in told


def test_contributions_and_the_base_price_sum_to_the_prediction(
    service: Service, instances: list[dict[str, Any]]
) -> None:
    answer = service.client.post("/api/v1/explain", json={"instances": instances[:10]})
    predicted = prices(service.predict(instances[:10]).json()["predictions"])
    explanations = answer.json()["explanations"]
    for found, (price, _, _) in zip(explanations, predicted, strict=True):
        assert found["predicted_price"] == pytest.approx(price, rel=1e-9)
        total = found["base_price"] + sum(found["contributions"].values())
        assert total == pytest.approx(price, rel=1e-9)
    assert len({tuple(found["contributions"].items()) for found in explanations}) == 10


def test_the_model_tells_what_it_is_and_where_it_came_from(
    service: Service, models: Models
) -> None:
    found = service.client.get("/api/v1/model").json()
    manifest = models.first.bundle.manifest
    assert found["bundle_digest"] == models.first.bundle.digest
    assert found["feature_fingerprint"] == manifest.feature_fingerprint
    assert found["data_digest"] == manifest.provenance.data_digest
    assert found["metrics"] == {"rmse": 50_000.0}
    assert found["loaded_from"] == "release storage"


def test_health_says_alive_ready_and_how_each_dependency_is(service: Service) -> None:
    assert service.client.get("/health/live").json() == {"status": "alive"}
    ready = {"status": "ready", "model_version": "1", "channel": "champion"}
    assert service.client.get("/health/ready").json() == ready
    assert service.client.get("/health").json() == ready
    deep = service.deep()
    assert deep["status"] == "ok"
    assert deep["dependencies"].keys() == {
        "release storage",
        "model",
        "feedback storage",
        "prediction log",
    }
    assert deep["dependencies"]["release storage"]["milliseconds"] > 0


def test_a_person_reads_its_health_in_a_sentence(service: Service) -> None:
    said = service_health(service.url)

    assert said.startswith(f"The service at {service.url} is ok; model: version ")


def test_metrics_count_predictions_errors_by_field_and_latencies_by_route(
    service: Service, instances: list[dict[str, Any]]
) -> None:
    before = service.metric("housing_predictions_total", version="1")
    answered = service.metric("housing_request_seconds_count", route="/api/v1/predict")
    refused = service.metric("housing_validation_errors_total", field="latitude")
    service.predict(instances[:7])
    service.predict([instances[0] | {"latitude": 99, "nonsense": 1}])
    assert service.metric("housing_predictions_total", version="1") == before + 7
    assert service.metric("housing_validation_errors_total", field="latitude") == refused + 1
    assert service.metric("housing_validation_errors_total", field="body") >= 1
    count = service.metric("housing_request_seconds_count", route="/api/v1/predict")
    assert count == answered + 2
    assert service.metric("housing_model_info", version="1", channel="champion") == 1
    assert service.metric("housing_model_reloads_total", outcome="loaded") == 1


def test_a_request_id_comes_back_in_the_answer_and_in_problems_and_bad_ones_are_replaced(
    service: Service,
) -> None:
    headers = {"X-Request-ID": "order-66.a_b"}
    answer = service.client.post("/api/v1/predict", headers=headers)
    assert answer.headers["x-request-id"] == answer.json()["request_id"] == "order-66.a_b"
    made = service.client.get("/health/live", headers={"X-Request-ID": "a b;<script>"})
    assert made.headers["x-request-id"].isalnum()
    assert service.client.get("/nowhere").headers["x-request-id"]


def test_every_answer_has_the_security_headers(service: Service) -> None:
    for path in ("/health/live", "/nowhere", "/docs", "/api/v1/predict"):
        headers = service.client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert "default-src 'self'" in headers["content-security-policy"]
        assert "server" not in headers


def test_the_docs_page_asks_no_other_host_for_anything(service: Service) -> None:
    page = service.client.get("/docs").text
    script = service.client.get("/docs/assets/docs.js").text
    style = service.client.get("/docs/assets/docs.css").text
    assert "openapi.json" in page
    assert "://" not in page + style
    assert "://" not in script.replace("http://www.w3.org", "")
    assert service.client.get("/docs/assets/..%2fdocs.html").status_code == 404


def test_the_log_holds_no_data_of_the_callers(
    service: Service, instances: list[dict[str, Any]]
) -> None:
    service.predict([instances[0] | {"longitude": -555.125}], headers={"X-API-Key": "secret-key"})
    service.client.get("/nowhere/of-alice")
    until(lambda: '"status": 404' in service.output)  # the answer is sent first
    assert not any(text in service.output for text in ("555.125", "secret-key", "of-alice"))
