"""Operators roll back over the API: with their key, a reason, and a trace in the history."""

from __future__ import annotations

import fcntl
import hashlib
from typing import TYPE_CHECKING, Any

import pytest

from housing_ml.bundle.signing import new_key
from housing_ml.releases.champion import promote_version
from housing_ml.releases.channels import history, read_channels, record_release
from housing_ml.releases.signed import SignedReleases
from tests.serve.conftest import Home
from tests.serve.conftest import Service as RunningService
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.serve.conftest import Models, Service

PRIVATE, PUBLIC = new_key()
OPERATOR, CALLER = "a-long-random-operator-key", "a-long-random-key"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, models: Models) -> Home:
    """A home whose champion is version 2, promoted after version 1."""
    found = Home(tmp_path_factory.mktemp("home"))
    for version, model in (("1", models.first), ("2", models.second)):
        bundle = model.bundle
        record_release(found.releases, found.publish_files(bundle.files(), bundle.digest, version))
        promote_version(found.releases, version, why="better", by="test")
    return found


@pytest.fixture(scope="module")
def service(home: Home) -> Iterator[Service]:
    keys = {"operator_keys": f"ann:{digest(OPERATOR)}", "api_keys": f"shop:{digest(CALLER)}"}
    with RunningService(home.path, poll_seconds=600, **keys) as found:
        yield found


def digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def roll_back(service: Service, key: str | None = OPERATOR, **body: Any) -> Any:
    headers = {"X-API-Key": key} if key else {}
    return service.client.post("/api/v1/rollback", json=body, headers=headers)


def test_only_operators_may(service: Service) -> None:
    assert roll_back(service, None, why="x").status_code == 401
    assert roll_back(service, CALLER, why="x").status_code == 403


def test_a_reason_is_needed(service: Service) -> None:
    assert roll_back(service).status_code == 400
    refused = roll_back(service, why="")
    assert refused.status_code == 400
    assert refused.json()["errors"][0]["path"] == "why"


def test_what_cannot_be_rolled_back_to_is_said(service: Service) -> None:
    refused = roll_back(service, why="too high", to="77")
    assert refused.status_code == 409
    assert "77 names no published version" in refused.json()["detail"]


def test_the_release_before_answers_at_once_and_the_history_says_who_and_why(
    home: Home, service: Service
) -> None:
    answer = roll_back(service, why="prices are twice too high")
    assert answer.status_code == 200
    assert answer.json()["model_version"] == "1"
    until(lambda: "version 1 answers" in service.deep()["dependencies"]["model"]["detail"])
    event = history(home.releases)[-1]
    assert (event.kind, event.version, event.by) == ("rollback", "1", "ann")
    assert event.reason == "prices are twice too high"
    assert list(read_channels(home.releases)[0].withdrawn.values()) == [event.reason]
    assert roll_back(service, why="again").status_code == 409


@pytest.fixture
def signed(tmp_path: Any, models: Models) -> Home:
    """A home of three versions, whose channels are signed."""
    found = Home(tmp_path)
    found.releases = SignedReleases(found.releases, PRIVATE)  # type: ignore[assignment]
    for version, model in (("1", models.first), ("2", models.second), ("3", models.first)):
        bundle = model.bundle
        record_release(found.releases, found.publish_files(bundle.files(), bundle.digest, version))
        promote_version(found.releases, version, why="better", by="test")
    return found


def test_a_roll_back_that_lands_late_goes_back_once(signed: Home) -> None:
    given = {"operator_keys": f"ann:{digest(OPERATOR)}", "public_keys": PUBLIC}
    headers = {"X-API-Key": OPERATOR, "Idempotency-Key": "night-7"}
    body = {"why": "prices are twice too high"}
    with RunningService(signed.path, signing_key=PRIVATE, **given) as service:
        with (signed.channels_file.parent / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # the storage hangs for longer than the request
            late = service.client.post("/api/v1/rollback", json=body, headers=headers)
            assert late.status_code == 503
        until(lambda: service.version() == "2")
        again = service.client.post("/api/v1/rollback", json=body, headers=headers)
        assert (again.status_code, again.json()["model_version"]) == (200, "2")
        assert read_channels(signed.releases)[0].channels["champion"].version == "2"
        headers["Idempotency-Key"] = "k" * 201
        refused = service.client.post("/api/v1/rollback", json=body, headers=headers)
        assert refused.status_code == 400


def test_a_service_without_a_private_key_moves_no_signed_channels(signed: Home) -> None:
    given = {"operator_keys": f"ann:{digest(OPERATOR)}", "public_keys": PUBLIC}
    with RunningService(signed.path, **given) as service:
        refused = roll_back(service, why="too high")
    assert refused.status_code == 409
    assert "HOUSING_SIGNING_KEY" in refused.json()["detail"]


def test_a_promotion_and_an_abort_are_done_once_for_one_key(tmp_path: Any, models: Models) -> None:
    found = Home(tmp_path)
    found.publish(models.first.bundle, "1")
    found.try_out("canary", models.second.bundle, "2")
    keys = {"operator_keys": f"ann:{digest(OPERATOR)}"}
    with RunningService(found.path, poll_seconds=600, **keys) as service:

        def decide(what: str, key: str | None = None, **body: Any) -> Any:
            headers = {"X-API-Key": OPERATOR} | ({"Idempotency-Key": key} if key else {})
            return service.client.post(f"/api/v1/{what}", json=body, headers=headers)

        other = decide("abort", why="x", bundle_digest="0" * 64)
        assert (other.status_code, other.json()["detail"]) == (
            409,
            "Not aborted: there is no such canary.",
        )
        ended = [decide("abort", "a", why="dearer", withdraw=True) for _ in range(2)]
        assert [item.status_code for item in ended] == [200, 200]
        assert ended[0].json()["model_version"] == ended[1].json()["model_version"] == "2"
        assert decide("abort", why="dearer").status_code == 409
        assert "was rolled back: dearer" in decide("promote", why="x", version="2").json()["detail"]
        assert [event.kind for event in history(found.releases)][-1] == "canary stopped"
        assert list(read_channels(found.releases)[0].withdrawn.values()) == ["dearer"]


def test_a_promotion_that_is_sent_again_does_not_undo_what_came_after(
    tmp_path: Any, models: Models
) -> None:
    found = Home(tmp_path)
    found.publish(models.first.bundle, "1")
    found.try_out("canary", models.second.bundle, "2")
    keys = {"operator_keys": f"ann:{digest(OPERATOR)}"}
    with RunningService(found.path, poll_seconds=600, **keys) as service:
        headers = {"X-API-Key": OPERATOR, "Idempotency-Key": "p"}
        body = {"why": "better", "version": "canary"}
        first = service.client.post("/api/v1/promote", json=body, headers=headers)
        assert (first.status_code, first.json()["model_version"]) == (200, "2")
        until(lambda: service.version() == "2")
        assert set(read_channels(found.releases)[0].channels) == {"champion", "previous"}
        assert roll_back(service, why="too high").json()["model_version"] == "1"
        again = service.client.post("/api/v1/promote", json=body, headers=headers)
        assert (again.status_code, again.json()["by"]) == (200, "ann")
        assert read_channels(found.releases)[0].channels["champion"].version == "1"
        event = history(found.releases)[-2]
        assert (event.kind, event.by, event.reason) == ("promotion", "ann", "better")


def test_without_operators_there_is_no_such_route(tmp_path: Any, models: Models) -> None:
    other = Home(tmp_path)
    other.publish(models.first.bundle, "1")
    with RunningService(other.path) as found:
        assert roll_back(found, why="x").status_code == 404
        assert "/api/v1/rollback" not in found.client.get("/docs/openapi.json").json()["paths"]
