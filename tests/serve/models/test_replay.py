"""Whoever can write the release storage, and has no key, brings nothing back and moves nothing."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from housing_ml.bundle.signing import new_key
from housing_ml.bundle.signing import sign as sign_bundle
from housing_ml.releases.records import Channels
from housing_ml.releases.signed import SignedReleases
from housing_ml.storage.errors import ReleaseError
from tests.serve.conftest import Home
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.serve.conftest import Models, Service

OLD, NEW = new_key(), new_key()


@pytest.fixture
def home(tmp_path: Path, models: Models) -> Home:
    """A home whose channels are signed: first version 1, then version 2."""
    found = Home(tmp_path)
    sign_with(found, OLD[0])
    found.publish(models.first.bundle, "1")
    return found


def sign_with(home: Home, private: str) -> None:
    local = home.releases
    home.releases = SignedReleases(local, private)  # type: ignore[assignment]


def document(home: Home) -> Channels:
    return msgspec.json.decode(home.channels_file.read_bytes(), type=Channels)


def put(home: Home, channels: Channels) -> None:
    home.channels_file.write_bytes(msgspec.json.encode(channels))


def refused(service: Service, reason: str) -> bool:
    found = service.deep()
    detail = found["dependencies"]["release storage"]
    return found["status"] == "degraded" and reason in detail["detail"]


def test_an_old_signed_document_is_not_believed_also_after_a_restart(
    start: Callable[..., Service], home: Home, models: Models
) -> None:
    old = home.channels_file.read_bytes()
    home.publish(models.second.bundle, "2")
    service = start(home.path, public_keys=OLD[1])
    assert service.version() == "2"

    home.channels_file.write_bytes(old)
    until(lambda: refused(service, "somebody put an old one back"))
    assert service.version() == "2"
    service.stop()
    service = start(home.path, public_keys=OLD[1])
    until(lambda: refused(service, "somebody put an old one back"))
    assert service.version() == "2"


@pytest.mark.parametrize(
    "what", ["sequence", "version", "channel", "share", "unsigned", "stranger"]
)
def test_nothing_of_a_signed_document_can_be_changed(
    start: Callable[..., Service], home: Home, models: Models, what: str
) -> None:
    home.publish(models.second.bundle, "2")
    service = start(home.path, public_keys=OLD[1])
    known = document(home)
    champion = known.channels["champion"]
    other = msgspec.structs.replace(champion, version="1", signature=sign_bundle("x", OLD[0]))
    changed: dict[str, dict[str, Any]] = {
        "sequence": {"sequence": known.sequence + 1},
        "version": {"channels": {"champion": other}},
        "channel": {"channels": {"champion": champion, "shadow": champion}},
        "share": {"channels": {"champion": msgspec.structs.replace(champion, share=0.5)}},
        "unsigned": {"signature": None, "sequence": known.sequence + 1},
        "stranger": {"signature": sign_bundle(champion.bundle, new_key()[0])},
    }
    put(home, msgspec.structs.replace(known, **changed[what]))
    until(lambda: refused(service, "sign"))
    assert service.version() == "2"
    put(home, known)
    until(lambda: service.deep()["status"] == "ok")


def test_a_key_is_replaced_without_a_gap(
    start: Callable[..., Service], home: Home, models: Models, instances: list[dict[str, Any]]
) -> None:
    service = start(home.path, public_keys=OLD[1])
    assert service.predict(instances[:1]).status_code == 200
    service.stop()
    both = start(home.path, public_keys=f"{NEW[1]},{OLD[1]}")
    assert both.version() == "1"

    home = Home(home.path)
    sign_with(home, NEW[0])
    home.publish(models.second.bundle, "2")
    until(lambda: both.version() == "2")
    assert both.deep()["status"] == "ok"
    both.stop()
    new = start(home.path, public_keys=NEW[1])
    assert new.version() == "2"
    assert new.deep()["status"] == "ok"


def test_signatures_of_before_are_read_until_the_channels_are_signed(
    start: Callable[..., Service], tmp_path: Path, models: Models
) -> None:
    home = Home(tmp_path / "unsigned")
    bundle = models.first.bundle
    release = home.publish_files(bundle.files(), bundle.digest, "1")
    signature = sign_bundle(release.bundle, OLD[0])
    home.promote(msgspec.structs.replace(release, signature=signature))
    unsigned = home.channels_file.read_bytes()
    service = start(home.path, public_keys=OLD[1])
    assert service.version() == "1"

    sign_with(home, OLD[0])
    home.publish(models.second.bundle, "2")
    until(lambda: service.version() == "2")
    home.channels_file.write_bytes(unsigned)
    until(lambda: refused(service, "somebody put an old one back"))


def test_the_last_good_bundle_answers_by_the_channels_that_named_it(
    start: Callable[..., Service], home: Home
) -> None:
    start(home.path, public_keys=OLD[1]).stop()
    shutil.rmtree(home.channels_file.parent)
    service = start(home.path, public_keys=OLD[1])
    assert service.version() == "1"
    service.stop()
    stranger = start(home.path, ready="/health/live", public_keys=new_key()[1])
    assert stranger.client.get("/health/ready").status_code == 503
    assert "last_good_unusable" in stranger.output


def test_signed_channels_are_moved_by_nobody_without_a_key(home: Home, models: Models) -> None:
    unsigned = Home(home.path)
    with pytest.raises(ReleaseError, match="set HOUSING_SIGNING_KEY"):
        unsigned.publish(models.second.bundle, "2")


def test_channels_that_are_gone_are_said_and_the_model_stays(
    start: Callable[..., Service], tmp_path: Path, models: Models
) -> None:
    home = Home(tmp_path / "unsigned")
    home.publish(models.first.bundle, "1")
    service = start(home.path)
    assert service.deep()["status"] == "ok"
    home.channels_file.unlink()
    until(lambda: refused(service, "channels.json is gone"))
    assert service.version() == "1"
    service.stop()
    service = start(home.path)
    until(lambda: refused(service, "channels.json is gone"))
    assert service.version() == "1"
    home.publish(models.second.bundle, "2")
    until(lambda: service.version() == "2")


def test_a_production_service_without_public_keys_says_so_loudly(
    start: Callable[..., Service], home: Home
) -> None:
    keys = f"shop:{'0' * 64}"
    service = start(home.path, environment="production", api_keys=keys)
    assert "HOUSING_SERVE_PUBLIC_KEYS" in service.deep()["dependencies"]["signatures"]["detail"]
    assert service.deep()["status"] == "degraded"
    assert "signatures_not_asked_for" in service.output
    service.stop()
    signed = start(home.path, environment="production", api_keys=keys, public_keys=OLD[1])
    assert "signatures" not in signed.deep()["dependencies"]
