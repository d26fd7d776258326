"""A bucket as the service reaches it: the JSON API over HTTP, to an emulator with faults."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from housing_ml.storage.errors import ConflictError
from serve.sources.gcs import HttpBucket
from serve.sources.remote import UnreachableError
from tests.integration.gcs_emulator import Emulator, emulator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def gcs() -> Iterator[Emulator]:
    with emulator() as running:
        yield running


@pytest.fixture
def bucket(
    gcs: Emulator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Iterator[HttpBucket]:
    """A folder of the bucket for each test, by a service account's credentials."""
    name_credentials(tmp_path, monkeypatch, gcs.service_account)
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs.url)
    found = HttpBucket(f"gs://housing/{request.node.name}/releases")
    yield found
    found._remote._client.close()
    assert not gcs.faults, "a fault that nobody met"


def name_credentials(
    folder: Path, monkeypatch: pytest.MonkeyPatch, document: dict[str, Any]
) -> None:
    file = folder / "credentials.json"
    file.write_text(json.dumps(document))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))


def test_what_is_written_is_read_with_its_generation(bucket: HttpBucket) -> None:
    assert bucket.read("bundles/a b/é.json") is None
    first = bucket.write("bundles/a b/é.json", b"one")
    second = bucket.write("bundles/a b/é.json", b"two", if_generation=first)
    assert 0 < first < second
    assert bucket.read("bundles/a b/é.json") == (b"two", second)


def test_of_two_writers_who_saw_the_same_one_wins_and_the_other_is_told(bucket: HttpBucket) -> None:
    bucket.write("channels.json", b"first", if_generation=0)
    with pytest.raises(ConflictError, match=r"channels\.json was changed by someone else"):
        bucket.write("channels.json", b"second", if_generation=0)


def test_the_names_of_a_folder_are_those_directly_in_it(bucket: HttpBucket) -> None:
    for name in ("history/2.json", "history/1.json", "history/deeper/3.json", "history2/4.json"):
        bucket.write(name, b"{}")
    assert bucket.names("history") == ["history/1.json", "history/2.json"]
    assert bucket.folders("history") == ["history/deeper"]
    assert bucket.names("nothing") == bucket.folders("nothing") == []


def test_a_token_serves_many_requests_and_is_renewed_when_it_is_refused(
    bucket: HttpBucket, gcs: Emulator
) -> None:
    before = gcs.tokens
    for _ in range(5):
        bucket.write("object", b"content")
    assert gcs.tokens == before + 1
    gcs.fail("unauthorized")
    assert bucket.read("object") is not None
    assert gcs.tokens == before + 2


def test_a_persons_credentials_and_the_machines_own_are_found(
    bucket: HttpBucket, gcs: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = {
        "type": "authorized_user",
        "client_id": "gcloud",
        "client_secret": "s",
        "refresh_token": "r",
        "token_uri": f"{gcs.url}/token",
    }
    name_credentials(tmp_path, monkeypatch, person)
    bucket.write("by a person", b"{}")
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GCE_METADATA_HOST", gcs.url.removeprefix("http://"))
    gcs.fail("unauthorized")
    bucket.write("by a machine", b"{}")


@pytest.mark.parametrize(
    ("fault", "reason"),
    [("away", "answers 503"), ("reset", "gives no answer"), ("truncated", "gives no answer")],
)
def test_a_bucket_that_fails_is_told_by_name(
    bucket: HttpBucket, gcs: Emulator, fault: Any, reason: str
) -> None:
    bucket.write("object", b"content" * 1000)
    gcs.fail(fault)
    with pytest.raises(UnreachableError, match=rf"gs://housing/.* {reason}"):
        bucket.read("object")


@pytest.mark.parametrize("document", [{"type": "external_account"}, {"type": "service_account"}, 5])
def test_credentials_that_cannot_be_used_are_named(
    bucket: HttpBucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, document: Any
) -> None:
    name_credentials(tmp_path, monkeypatch, document)
    with pytest.raises(UnreachableError, match=r"credentials\.json holds no credentials"):
        bucket.read("object")
