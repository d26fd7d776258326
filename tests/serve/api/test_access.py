"""Who may use the service, how often, and from which pages."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest

from serve.api import rate_limit
from serve.api.rate_limit import RateLimit
from serve.api.security import ApiKeys
from serve.settings import Settings, SettingsError, from_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.serve.conftest import Home, Service

from tests.serve.conftest import Service as RunningService

KEYS = {"shop": "a-long-random-key", "bank": "another-long-random-key"}
ORIGIN = "https://houses.example"


def digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


@pytest.fixture(scope="module")
def guarded(home: Home) -> Iterator[Service]:
    """A production service with two keys, a rate limit, one foreign page and a small body."""
    with RunningService(
        home.path,
        environment="production",
        api_keys=",".join(f"{owner}:{digest(key)}" for owner, key in KEYS.items()),
        requests_per_second=20,
        cors_origins=ORIGIN,
        body_limit=2000,
    ) as found:
        yield found


def predict(service: Service, instances: list[dict[str, Any]], key: str | None) -> Any:
    return service.predict(instances[:1], headers={"X-API-Key": key} if key else None)


def test_production_without_keys_does_not_start(home: Home) -> None:
    with pytest.raises(RuntimeError, match="HOUSING_SERVE_API_KEYS is needed"):
        RunningService(home.path, environment="production")


def test_a_key_is_needed_and_each_of_several_is_known(
    guarded: Service, instances: list[dict[str, Any]]
) -> None:
    missing = predict(guarded, instances, None)
    assert missing.status_code == 401
    assert missing.headers["www-authenticate"].startswith("ApiKey")
    assert predict(guarded, instances, "wrong").status_code == 403
    assert predict(guarded, instances, digest(KEYS["shop"])).status_code == 403
    for key in KEYS.values():
        assert predict(guarded, instances, key).status_code == 200
    assert guarded.client.get("/api/v1/model").status_code == 401


def test_health_and_metrics_need_no_key(guarded: Service) -> None:
    for path in ("/health/live", "/health/ready", "/health/deep", "/metrics", "/docs"):
        assert guarded.client.get(path).status_code == 200


def test_a_key_beyond_its_rate_is_told_when_to_come_back_and_the_other_is_not_held_up(
    guarded: Service, instances: list[dict[str, Any]]
) -> None:
    answers = [predict(guarded, instances, KEYS["shop"]) for _ in range(60)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert {answer.status_code for answer in answers} == {200, 429}
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
    assert refused[0].json()["status"] == 429
    assert predict(guarded, instances, KEYS["bank"]).status_code == 200


def test_only_listed_pages_may_read_answers(guarded: Service) -> None:
    def asked(origin: str) -> str | None:
        headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        answer = guarded.client.options("/api/v1/predict", headers=headers)
        found: str | None = answer.headers.get("access-control-allow-origin")
        return found

    assert asked(ORIGIN) == ORIGIN
    assert asked("https://evil.example") is None


def test_production_insists_on_encrypted_connections(guarded: Service) -> None:
    headers = guarded.client.get("/health/live").headers
    assert "max-age" in headers["strict-transport-security"]


def test_the_body_limit_can_be_set(guarded: Service, instances: list[dict[str, Any]]) -> None:
    headers = {"X-API-Key": KEYS["bank"]}
    assert guarded.predict(instances[:50], headers=headers).status_code == 413


def test_the_api_describes_its_key_only_where_it_needs_one(
    guarded: Service, service: Service
) -> None:
    def schemes(found: Service) -> Any:
        return found.client.get("/docs/openapi.json").json()["components"].get("securitySchemes")

    assert schemes(guarded)["ApiKey"]["name"] == "X-API-Key"
    assert not schemes(service)


def test_a_key_is_its_owners_and_no_other() -> None:
    keys = ApiKeys({owner: digest(key) for owner, key in KEYS.items()})
    assert [keys.owner(key.encode()) for key in KEYS.values()] == list(KEYS)
    assert keys.owner(b"") is None
    assert keys.owner(KEYS["shop"].encode()[:-1]) is None
    assert not ApiKeys({})


def test_callers_have_a_burst_of_one_second_and_then_their_rate(tmp_path: Path) -> None:
    limit = RateLimit(10.0, tmp_path / "limit")
    burst = [limit.wait("caller", now=100.0) for _ in range(15)]
    assert burst.count(0.0) == 10
    assert 0 < burst[-1] <= 0.11
    later = [limit.wait("caller", now=100.0 + step / 100) for step in range(200)]
    assert 18 <= later.count(0.0) <= 20
    assert limit.wait("other", now=100.0) == 0.0
    shared = RateLimit(10.0, tmp_path / "limit")
    assert shared.wait("caller", now=101.99) > 0
    limit.close()
    shared.close()


def test_each_of_a_thousand_keys_has_a_limit_of_its_own(tmp_path: Path) -> None:
    owners = [f"owner {number}" for number in range(1000)]
    limit = RateLimit(1.0, tmp_path / "limit", owners)
    assert [limit.wait(owner, now=100.0) for owner in owners] == [0.0] * 1000
    assert all(limit.wait(owner, now=100.0) > 0 for owner in owners)
    limit.close()


def test_workers_that_cannot_share_a_file_count_for_themselves_until_they_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_limit, "_RETRY_SECONDS", 0.0)
    taken = tmp_path / "taken"
    taken.write_bytes(b"")
    limit = RateLimit(1.0, taken / "limit")
    assert limit.wait("caller", now=100.0) == 0.0
    assert limit.wait("caller", now=100.0) > 0
    assert limit.dependency().state == "degraded"
    taken.unlink()
    limit.wait("caller", now=200.0)
    assert limit.dependency().state == "ok"
    limit.close()


@pytest.mark.parametrize(("proxies", "refused"), [("", True), ("127.0.0.0/8", False)])
def test_a_caller_chooses_its_address_only_through_a_named_proxy(
    start: Callable[..., Service],
    instances: list[dict[str, Any]],
    proxies: str,
    refused: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    limited = start(requests_per_second=0.01, trusted_proxies=proxies)
    statuses = {
        limited.predict(instances[:1], headers={"X-Forwarded-For": f"192.0.2.{host}"}).status_code
        for host in range(1, 6)
    }
    assert statuses == ({200, 429} if refused else {200})


def test_a_rate_below_one_a_second_lets_one_request_through_and_then_waits(tmp_path: Path) -> None:
    limit = RateLimit(0.1, tmp_path / "limit")
    assert limit.wait("caller", now=0.0) == 0.0
    assert limit.wait("caller", now=1.0) == pytest.approx(9.0)
    assert limit.wait("caller", now=10.0) == 0.0
    limit.close()


def test_settings_come_from_the_environment_and_places_from_the_home_folder() -> None:
    settings = from_environment(
        {
            "HOUSING_HOME": "/srv/housing",
            "HOUSING_SERVE_WORKERS": "2",
            "HOUSING_SERVE_API_KEYS": f"shop:{digest('x')}, bank:{digest('y')}",
            "HOUSING_SERVE_CORS_ORIGINS": "https://a.example, https://b.example",
            "HOUSING_SERVE_PORT": " ",
        }
    )
    assert settings.releases == "/srv/housing/storage/releases"
    assert str(settings.state) == "/srv/housing/service"
    assert (settings.workers, settings.port) == (2, Settings().port)
    assert settings.api_keys == {"shop": digest("x"), "bank": digest("y")}
    assert settings.cors_origins == ["https://a.example", "https://b.example"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WORKERS", "0"),
        ("PORT", "http"),
        ("ENVIRONMENT", "staging"),
        ("API_KEYS", "shop:plain-text-key"),
        ("POLL_SECONDS", "-1"),
        ("RELEASES", "s3://housing/releases"),
        ("REGISTRY", "mlflow:5000"),
        ("TRUSTED_PROXIES", "*"),
    ],
)
def test_a_setting_that_does_not_fit_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"HOUSING_SERVE_{name}"):
        from_environment({f"HOUSING_SERVE_{name}": value})
