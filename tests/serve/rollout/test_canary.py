"""A canary answers its share, the same keys every time; what it fails the champion answers."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

import pytest

from housing_ml.releases.channels import read_channels
from housing_ml.rollout.canary import stop
from housing_ml.rollout.observations import gather_observations, probation_name
from housing_ml.rollout.pairs import Cluster
from housing_ml.rollout.routing import to_canary
from tests.serve.conftest import Home
from tests.serve.conftest import Service as RunningService
from tests.serve.faulty_bundles import CHEAP, hanging, raising
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import httpx

    from housing_ml.bundle.model import Bundle
    from housing_ml.rollout.counts import Observation
    from tests.serve.conftest import Models, Service

SHARE = 0.3
MEGABYTES = 200


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, models: Models) -> Home:
    """A home whose champion, version 1, has canaries beside it."""
    found = Home(tmp_path_factory.mktemp("home"))
    found.publish(models.first.bundle, "1")
    return found


@pytest.fixture(scope="module")
def service(home: Home) -> Iterator[Service]:
    with RunningService(home.path, log_segment_seconds=1) as found:
        yield found


@pytest.fixture
def canary(home: Home, service: Service) -> Iterator[Callable[[Bundle, str, float], None]]:
    """Starts canaries; they end with the test."""

    def start(bundle: Bundle, version: str, share: float) -> None:
        home.try_out("canary", bundle, version, share)
        until(lambda: f"version {version} " in service.deep()["dependencies"]["canary"]["detail"])

    yield start
    stop(home.releases, "canary", why="the test is over", by="test")
    until(lambda: "canary" not in service.deep()["dependencies"])


@pytest.fixture(scope="module")
def cheap(models: Models, instances: list[dict[str, Any]]) -> dict[str, Any]:
    """A block group that springs the traps of bad models."""
    return instances[int((models.first.bundle.predict(models.raw) < 0.9 * CHEAP).argmax())]


def seen(home: Home) -> Observation:
    probation = probation_name(read_channels(home.releases)[0])
    assert probation
    return gather_observations(home.releases, probation)


def both(home: Home) -> Cluster:
    """What both models made of the same requests."""
    clusters = [found for part in seen(home).pairs.values() for found in part.values()]
    return functools.reduce(Cluster.__add__, clusters, Cluster())


def ask(
    service: Service,
    instance: dict[str, Any],
    key: str,
    path: str = "predict",
    name: str | None = None,
) -> Any:
    """Ask for a customer; requests named like the customer are the canary's or nobody's."""
    answer: httpx.Response = service.client.post(
        f"/api/v1/{path}",
        json={"instances": [instance]},
        headers={"X-Routing-Key": key, "X-Request-ID": name or key},
    )
    assert answer.status_code == 200
    return answer.json()


def test_each_key_has_its_model_and_the_share_of_the_keys_is_the_canarys(
    home: Home,
    service: Service,
    canary: Callable[..., None],
    models: Models,
    instances: list[dict[str, Any]],
) -> None:
    share = SHARE + 0.01  # of this test alone: a canary goes on counting what an equal one began
    canary(models.second.bundle, "2", share)
    digest = models.second.bundle.digest
    prices = {
        "1": models.first.bundle.predict(models.raw[:1])[0],
        "2": models.second.bundle.predict(models.raw[:1])[0],
    }
    of_canary = {"version": "2", "channel": "canary"}
    before = service.metric("housing_predictions_total", **of_canary)
    canarys = 0
    for number in range(300):
        key = f"customer-{number % 150}"
        answer = ask(service, instances[0], key)
        expected = ("canary", "2") if to_canary(key, share, digest) else ("champion", "1")
        assert (answer["channel"], answer["model_version"]) == expected
        assert answer["predictions"][0]["predicted_price"] == prices[answer["model_version"]]
        canarys += answer["channel"] == "canary"

    assert 0.15 < canarys / 300 < 0.45  # 150 keys: four standard deviations on either side
    assert service.metric("housing_predictions_total", **of_canary) == before + canarys
    assert service.metric("housing_predictions_total", version="1") >= 300 - canarys
    until(lambda: seen(home).canary.requests == canarys)
    assert seen(home).champion.requests == 300 - canarys
    assert seen(home).canary.errors == 0
    until(lambda: both(home).priced == canarys)
    ratio = math.log(prices["2"] / prices["1"])
    assert both(home).log_ratio == pytest.approx(canarys * ratio)


def test_without_a_key_each_request_is_on_its_own_by_its_id(
    service: Service, canary: Callable[..., None], models: Models, instances: list[dict[str, Any]]
) -> None:
    canary(models.second.bundle, "2", SHARE)
    channels = [service.predict(instances[:1]).json()["channel"] for _ in range(300)]

    assert 90 - 40 < channels.count("canary") < 90 + 40  # five standard deviations
    repeated = {
        service.predict(instances[:1], headers={"X-Request-ID": "again"}).json()["channel"]
        for _ in range(10)
    }
    assert len(repeated) == 1


def test_a_price_and_its_explanation_are_of_one_model(
    service: Service, canary: Callable[..., None], models: Models, instances: list[dict[str, Any]]
) -> None:
    canary(models.second.bundle, "2", SHARE)
    for number in range(10):
        price = ask(service, instances[0], str(number))
        reason = ask(service, instances[0], str(number), "explain")
        assert reason["model_version"] == price["model_version"]
        assert reason["explanations"][0]["predicted_price"] == pytest.approx(
            price["predictions"][0]["predicted_price"]
        )


def test_known_prices_of_both_are_counted(
    home: Home,
    service: Service,
    canary: Callable[..., None],
    models: Models,
    instances: list[dict[str, Any]],
) -> None:
    canary(models.second.bundle, "2", 0.5)
    answers = [ask(service, instances[0], str(number)) for number in range(40)]
    known = [
        {
            "prediction_id": answer["predictions"][0]["prediction_id"],
            "actual_price": answer["predictions"][0]["predicted_price"] / error,
        }
        for answer in answers
        for error in [1.25 if answer["channel"] == "canary" else 1.1]
    ]
    for _ in range(2):  # the second time changes nothing
        service.client.post("/api/v1/feedback", json={"instances": known}).raise_for_status()

    until(lambda: seen(home).canary.feedback.count + seen(home).champion.feedback.count == 40)
    assert both(home).known == seen(home).canary.feedback.count
    assert seen(home).canary.feedback.mean == pytest.approx(0.25)
    assert seen(home).champion.feedback.mean == pytest.approx(0.1)


def test_of_customers_who_meet_the_champion_both_price_a_share_once_more(
    home: Home,
    service: Service,
    canary: Callable[..., None],
    models: Models,
    instances: list[dict[str, Any]],
) -> None:
    share, digest = 0.4, models.second.bundle.digest
    canary(models.second.bundle, "2", share)
    old, new = (item.bundle.predict(models.raw[:1])[0] for item in (models.first, models.second))
    names = [f"request-{number}" for number in range(40)]
    key = next(name for name in "abcdefghij" if not to_canary(name, share, digest))
    pairs = sum(to_canary(name, share, digest) for name in names)

    answers = [ask(service, instances[0], key, name=name) for name in names]
    until(lambda: both(home).priced == pairs)
    known = [
        {"prediction_id": answer["predictions"][0]["prediction_id"], "actual_price": old / 1.1}
        for answer in answers
    ]
    service.client.post("/api/v1/feedback", json={"instances": known}).raise_for_status()
    until(lambda: both(home).known == pairs)

    assert 0 < pairs < len(names)
    assert {answer["channel"] for answer in answers} == {"champion"}
    assert both(home).log_ratio == pytest.approx(pairs * math.log(new / old))
    assert both(home).error == pytest.approx(pairs * (abs(1.1 * new / old - 1) - 0.1))
    assert seen(home).canary.requests == 0


def test_three_models_at_once_stay_within_the_budget_of_memory(
    home: Home,
    service: Service,
    canary: Callable[..., None],
    models: Models,
    instances: list[dict[str, Any]],
) -> None:
    canary(models.second.bundle, "2", 0.5)
    home.try_out("shadow", models.second.bundle, "2")
    until(lambda: service.deep()["dependencies"]["shadow"]["state"] == "ok")
    for _ in range(10):
        assert service.predict(instances[:1000]).status_code == 200
    assert service.resident_megabytes < MEGABYTES
    stop(home.releases, "shadow", why="the test is over", by="test")
    until(lambda: "shadow" not in service.deep()["dependencies"])


@pytest.mark.parametrize("fault", [raising, hanging])
def test_what_the_canary_fails_the_champion_answers_and_it_counts(
    home: Home,
    service: Service,
    canary: Callable[..., None],
    models: Models,
    cheap: dict[str, Any],
    fault: Callable[[Bundle], Bundle],
) -> None:
    canary(fault(models.second.bundle), fault.__name__, 0.9)
    keys = [f"{number}" for number in range(6)]
    answers = [ask(service, cheap, key) for key in keys]

    assert {answer["channel"] for answer in answers} == {"champion"}

    def failed() -> float:
        return service.metric("housing_probation_requests_total", version=fault.__name__)

    assert failed() >= 3
    until(lambda: seen(home).canary.errors == failed())
    if fault is raising:
        until(lambda: both(home).failed == failed())
    else:  # a champion that is late too, on a busy machine, says nothing of the canary
        until(lambda: both(home).slow >= 3 or not ask(service, cheap, keys[0]))
        assert both(home).slow <= failed()
    assert "canary_failed" in service.output
    assert service.deep()["dependencies"]["canary"]["state"] == "degraded"
