"""The service follows the champion: whatever is promoted, damaged or gone, it answers."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from housing_ml.bundle.manifest import sha256
from housing_ml.bundle.model import MODEL
from housing_ml.bundle.signing import new_key
from housing_ml.bundle.signing import sign as sign_bundle
from housing_ml.releases.channels import read_channels
from housing_ml.storage.errors import ReleaseError
from serve.api.security import sign
from serve.models.last_good import LastGood
from tests.serve.conftest import Home
from tests.serve.conftest import Service as RunningService
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from housing_ml.bundle.model import Bundle
    from tests.serve.conftest import Models, Service

DETECTED_SECONDS = 5.0
SECRET = "shared-with-mlflow"  # noqa: S105 - of this test only


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, models: Models) -> Home:
    """A home whose champion changes."""
    found = Home(tmp_path_factory.mktemp("home"))
    found.publish(models.first.bundle, "1")
    return found


@pytest.fixture(scope="module")
def service(home: Home) -> Iterator[Service]:
    """The service that follows it."""
    with RunningService(home.path) as found:
        yield found


@pytest.fixture
def followed(home: Home, models: Models, service: Service) -> Iterator[Home]:
    """The home that `service` follows, back on version 1 at the end."""
    yield home
    home.publish(models.first.bundle, "1")
    until(lambda: service.version() == "1")
    until(lambda: service.deep()["status"] == "ok")


def prices(answer: dict[str, Any]) -> list[float]:
    return [found["predicted_price"] for found in answer["predictions"]]


def resealed(bundle: Bundle, files: dict[str, bytes], **changes: Any) -> dict[str, bytes]:
    """The bundle with other files or another manifest, and every digest right again."""
    contents = bundle.files() | files
    manifest = msgspec.structs.replace(bundle.manifest, **changes)
    digests = {name: sha256(contents[name]) for name in manifest.files}
    return contents | {"manifest.json": manifest.sealed(digests).to_json()}


def test_a_promotion_and_a_rollback_are_followed_within_seconds(
    service: Service, followed: Home, models: Models, instances: list[dict[str, Any]]
) -> None:
    followed.publish(models.second.bundle, "2")
    until(lambda: service.version() == "2")
    answer = service.predict(instances[:20]).json()
    assert prices(answer) == models.second.bundle.predict(models.raw[:20]).tolist()
    followed.publish(models.first.bundle, "1")
    until(lambda: service.version() == "1")
    answer = service.predict(instances[:20]).json()
    assert prices(answer) == models.first.bundle.predict(models.raw[:20]).tolist()


class _Caller(threading.Thread):
    """Asks without a pause, and keeps what was wrong with any answer."""

    def __init__(
        self, service: Service, rows: list[dict[str, Any]], allowed: dict[str, Any]
    ) -> None:
        super().__init__()
        self.service, self.rows, self.allowed = service, rows, allowed
        self.stopped = threading.Event()
        self.wrong: list[str] = []
        self.versions: list[str] = []

    def run(self) -> None:
        with self.service.new_client() as client:
            while not self.stopped.is_set():
                answer = client.post("/api/v1/predict", json={"instances": self.rows})
                found = answer.json()
                if answer.status_code != 200:
                    self.wrong.append(answer.text)
                elif prices(found) != self.allowed[found["model_version"]]:
                    self.wrong.append(f"mixed: {found}")
                else:
                    self.versions.append(found["model_version"])


def test_swapping_under_load_fails_no_request_and_mixes_no_models(
    service: Service, followed: Home, models: Models, instances: list[dict[str, Any]]
) -> None:
    releases = [
        followed.publish(models.second.bundle, "2"),
        followed.publish(models.first.bundle, "1"),
    ]
    loaded = service.metric("housing_model_reloads_total", outcome="loaded")
    callers = []
    for rows in (1, 7, 40, 300):
        allowed = {
            "1": models.first.bundle.predict(models.raw[:rows]).tolist(),
            "2": models.second.bundle.predict(models.raw[:rows]).tolist(),
        }
        callers.append(_Caller(service, instances[:rows], allowed))
    for caller in callers:
        caller.start()
    for turn in range(6):
        followed.promote(releases[turn % 2])
        until(lambda: service.version() == releases[turn % 2].version)  # noqa: B023
    for caller in callers:
        caller.stopped.set()
        caller.join()
    assert [wrong for caller in callers for wrong in caller.wrong] == []
    assert all({"1", "2"} == set(caller.versions) for caller in callers)
    assert service.metric("housing_model_reloads_total", outcome="loaded") >= loaded + 6


def rejected(service: Service, reason: str) -> None:
    """Wait until the service tells why it does not take a release, and see that it goes on."""

    def told() -> bool:
        model = service.deep()["dependencies"]["model"]
        return model["state"] == "degraded" and reason in model["detail"]

    until(told)
    assert service.version() == "1"
    assert service.client.get("/health/ready").status_code == 200
    assert service.metric("housing_model_reloads_total", outcome="rejected") > 0
    assert "release_rejected" in service.output


def test_one_flipped_byte_keeps_a_bundle_out(
    service: Service, followed: Home, models: Models
) -> None:
    release = followed.publish_files(models.second.bundle.files(), models.second.bundle.digest, "2")
    file = followed.releases.root / "bundles" / release.bundle / MODEL
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    followed.promote(release)
    rejected(service, "model.onnx is damaged")
    followed.publish(models.second.bundle, "2.1")  # repairs the file
    until(lambda: service.version() == "2.1")


def test_a_bundle_of_other_feature_code_that_repeats_its_golden_rows_is_served_and_named(
    service: Service, followed: Home, models: Models, instances: list[dict[str, Any]]
) -> None:
    files = resealed(models.second.bundle, {}, feature_fingerprint="0" * 64)
    followed.promote(followed.publish_files(files, sha256(files["manifest.json"]), "3"))
    until(lambda: service.version() == "3")
    assert prices(service.predict(instances[:20]).json()) == (
        models.second.bundle.predict(models.raw[:20]).tolist()
    )
    rows = len(models.second.bundle.golden.raw)
    said = f"made by other feature code; {rows:,} golden rows repeated"
    told = service.deep()["dependencies"]["model"]
    assert told["state"] == "ok"
    assert told["detail"] == f"version 3 answers; {said}"
    assert "other_feature_code" in service.output
    assert said in service.output


@pytest.mark.parametrize("name", ["HOUSING_REQUIRE_SAME_CODE", "HOUSING_SERVE_REQUIRE_SAME_CODE"])
def test_where_the_same_code_is_required_a_bundle_of_other_code_is_kept_out(
    start: Callable[..., Service],
    tmp_path: Path,
    models: Models,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    monkeypatch.setenv(name, "true")
    home = Home(tmp_path)
    home.publish(models.first.bundle, "1")
    service = start(tmp_path)
    files = resealed(models.second.bundle, {}, feature_fingerprint="0" * 64)
    home.promote(home.publish_files(files, sha256(files["manifest.json"]), "3"))
    rejected(service, "the features were computed by other code")


def test_a_bundle_that_computes_otherwise_than_in_training_is_kept_out(
    service: Service, followed: Home, models: Models
) -> None:
    other = models.second.bundle.files()[MODEL]
    files = resealed(models.first.bundle, {MODEL: other})
    followed.promote(followed.publish_files(files, sha256(files["manifest.json"]), "4"))
    rejected(service, "in training")


def test_a_bundle_of_a_newer_format_is_kept_out(
    service: Service, followed: Home, models: Models
) -> None:
    files = resealed(models.second.bundle, {}, format=2, needs="9.0.0")
    release = followed.publish_files(files, sha256(files["manifest.json"]), "5")
    followed.promote(release)
    rejected(service, "install housing-ml 9.0.0")


def test_where_a_public_key_is_set_only_signed_bundles_are_served(
    start: Callable[..., Service], tmp_path: Path, models: Models
) -> None:
    private, public = new_key()
    home = Home(tmp_path)
    home.publish(models.first.bundle, "1")
    service = start(tmp_path, ready="/health/live", public_keys=f"{new_key()[1]},{public}")
    until(lambda: "is not signed" in service.deep()["dependencies"]["model"]["detail"])
    assert service.client.get("/health/ready").status_code == 503
    for key, version, status in ((new_key()[0], "2", 503), (private, "3", 200)):
        bundle = models.second.bundle
        release = home.publish_files(bundle.files(), bundle.digest, version)
        signature = sign_bundle(release.bundle, key)
        home.promote(msgspec.structs.replace(release, signature=signature))
        until(lambda: f"version {version}" in str(service.deep()))  # noqa: B023
        assert service.client.get("/health/ready").status_code == status


def test_a_damaged_channels_document_is_a_degraded_source_and_no_outage(
    service: Service, followed: Home, instances: list[dict[str, Any]]
) -> None:
    intact = followed.channels_file.read_bytes()
    followed.channels_file.write_bytes(intact[: len(intact) // 2])

    until(lambda: service.deep()["dependencies"]["release storage"]["state"] == "degraded")
    assert service.predict(instances[:1]).status_code == 200
    followed.channels_file.write_bytes(intact)


def test_without_a_model_the_service_lives_says_503_and_becomes_ready_by_itself(
    start: Callable[..., Service],
    tmp_path: Path,
    models: Models,
    instances: list[dict[str, Any]],
) -> None:
    service = start(tmp_path, ready="/health/live")
    for answer in (service.client.get("/health/ready"), service.predict(instances[:1])):
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "1"
        assert answer.json()["status"] == 503
    assert service.deep()["dependencies"]["model"]["detail"] == "nothing published"
    Home(tmp_path).publish(models.first.bundle, "1")
    until(lambda: service.client.get("/health/ready").status_code == 200)
    assert service.predict(instances[:1]).status_code == 200


def test_after_kill_9_and_with_the_source_gone_or_hanging_the_last_good_model_answers(
    start: Callable[..., Service],
    tmp_path: Path,
    models: Models,
    instances: list[dict[str, Any]],
) -> None:
    home = Home(tmp_path)
    home.publish(models.first.bundle, "1")
    first = start(tmp_path)
    until((tmp_path / "service/last-good/champion/release.json").exists)
    first.stop(9)
    home.channels_file.unlink()
    os.mkfifo(home.channels_file)  # who opens it waits for a writer
    second = start(tmp_path, ready="/health/live")
    answer = second.predict(instances[:20])
    assert prices(answer.json()) == models.first.bundle.predict(models.raw[:20]).tolist()
    assert "last good" in second.client.get("/api/v1/model").json()["loaded_from"]

    def told() -> bool:
        source = second.deep()["dependencies"]["release storage"]
        # the next look finds the first one still under way
        why = "no answer within" in source["detail"] or "still hangs" in source["detail"]
        return source["state"] == "degraded" and why

    hung = second.client.get("/operations")
    until(told)
    at_once = second.client.get("/operations")
    assert (hung.status_code, at_once.status_code) == (503, 503)
    assert at_once.elapsed < hung.elapsed
    assert second.client.get("/health/ready").status_code == 200
    second.stop()


def test_a_last_good_release_of_a_newer_version_is_refused_with_what_it_needs(
    tmp_path: Path, models: Models
) -> None:
    last_good = LastGood(tmp_path, "champion")
    bundle = models.first.bundle
    home = Home(tmp_path)
    release = home.publish(bundle, "1")
    last_good.save(bundle, release, read_channels(home.releases)[0])
    found = last_good.load()
    assert found is not None
    assert found[1].version == "1"
    pointer = tmp_path / "last-good" / "champion" / "release.json"
    document = msgspec.json.decode(pointer.read_bytes()) | {"format": 99, "needs": "9.0.0"}
    pointer.write_bytes(msgspec.json.encode(document))
    with pytest.raises(ReleaseError, match=r"release\.json: format 99, .* housing-ml 9\.0\.0"):
        last_good.load()


def test_a_damaged_last_good_bundle_is_not_served(
    start: Callable[..., Service], tmp_path: Path, models: Models
) -> None:
    home = Home(tmp_path)
    release = home.publish(models.first.bundle, "1")
    start(tmp_path).stop()
    kept = tmp_path / "service" / "last-good" / "champion" / release.bundle / MODEL
    kept.write_bytes(kept.read_bytes()[:-1])
    home.channels_file.unlink()
    service = start(tmp_path, ready="/health/live")
    assert service.client.get("/health/ready").status_code == 503
    assert "last_good_unusable" in service.output


def test_a_signed_announcement_is_followed_at_once_and_others_are_refused(
    start: Callable[..., Service], tmp_path: Path, models: Models
) -> None:
    home = Home(tmp_path)
    home.publish(models.first.bundle, "1")
    service = start(tmp_path, poll_seconds=600, webhook_secret=SECRET)
    home.publish(models.second.bundle, "2")

    def announce(timestamp: float, secret: str = SECRET) -> int:
        sent = str(int(timestamp))
        headers = {
            "X-MLflow-Delivery-Id": "d1",
            "X-MLflow-Timestamp": sent,
            "X-MLflow-Signature": sign(secret, "d1", sent, b"{}"),
        }
        return service.client.post("/webhooks/release", content=b"{}", headers=headers).status_code

    assert service.client.post("/webhooks/release", content=b"{}").status_code == 403
    assert announce(time.time(), "another secret") == 403
    assert announce(time.time() - 301) == 403
    time.sleep(0.3)
    assert service.version() == "1"
    assert announce(time.time()) == 202
    until(lambda: service.version() == "2")
    sequence = home.channels_file.read_bytes()
    for _ in range(20):  # one that is sent again is looked after again, and that is all
        assert announce(time.time()) == 202
    assert service.version() == "2"
    assert home.channels_file.read_bytes() == sequence
    assert service.output.count("model_loaded") == 2


def test_two_workers_converge_on_a_promotion_and_their_metrics_are_one(
    start: Callable[..., Service],
    tmp_path: Path,
    models: Models,
    instances: list[dict[str, Any]],
) -> None:
    home = Home(tmp_path)
    home.publish(models.first.bundle, "1")
    service = start(tmp_path, workers=2)
    until(lambda: service.output.count("model_loaded") == 2)
    home.publish(models.second.bundle, "2")
    until(lambda: service.output.count("model_loaded") == 4)
    versions = set()
    for _ in range(30):
        with service.new_client() as client:
            answer = client.post("/api/v1/predict", json={"instances": instances[:1]})
            versions.add(answer.json()["model_version"])
    assert versions == {"2"}
    assert service.metric("housing_predictions_total") == 30
    assert service.metric("housing_model_info", version="2") == 1
    assert service.metric("housing_model_info", version="1") == 0
