"""A bucket as the service reaches it: the JSON API over HTTP, to an emulator with faults."""

from __future__ import annotations

import json
import os
import subprocess
import sys
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


def federated(gcs: Emulator, folder: Path) -> dict[str, Any]:
    """Credentials of a workload whose own platform leaves it a token in a file."""
    (folder / "subject").write_text("a token of another platform")
    return {
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/"
        "workloadIdentityPools/p/providers/x",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"{gcs.url}/token",
        "credential_source": {"file": str(folder / "subject")},
    }


def impersonating(gcs: Emulator) -> str:
    return f"{gcs.url}/v1/projects/-/serviceAccounts/a@b.example:generateAccessToken"


@pytest.mark.parametrize(
    ("kind", "tokens"),
    [("federated", 1), ("federated as an account", 2), ("an account as another", 2)],
)
def test_credentials_that_google_lends_are_taken(
    bucket: HttpBucket,
    gcs: Emulator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    tokens: int,
) -> None:
    url = {"service_account_impersonation_url": impersonating(gcs)}
    source = {"type": "impersonated_service_account", "source_credentials": gcs.service_account}
    document = {
        "federated": federated(gcs, tmp_path),
        "federated as an account": federated(gcs, tmp_path) | url,
        "an account as another": source | url,
    }[kind]
    name_credentials(tmp_path, monkeypatch, document)
    before = gcs.tokens
    for _ in range(3):
        bucket.write("by another", b"{}")
    assert gcs.tokens == before + tokens
    if "federated" in kind:
        assert "subject_token=a+token+of+another+platform" in gcs.exchanged[-1]


def test_a_federation_that_gives_no_token_is_named(
    bucket: HttpBucket, gcs: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = federated(gcs, tmp_path)
    (tmp_path / "subject").unlink()
    name_credentials(tmp_path, monkeypatch, document)
    with pytest.raises(UnreachableError, match=r"subject' was not found"):
        bucket.read("object")
    name_credentials(tmp_path, monkeypatch, document | {"token_url": "http://127.0.0.1:9/token"})
    (tmp_path / "subject").write_text("a token")
    with pytest.raises(UnreachableError, match="gives no access token"):
        bucket.read("object")


def test_the_credentials_of_most_cost_no_library_of_googles(gcs: Emulator, tmp_path: Path) -> None:
    (tmp_path / "credentials.json").write_text(json.dumps(gcs.service_account))
    environment = {
        "GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "credentials.json"),
        "STORAGE_EMULATOR_HOST": gcs.url,
    }
    script = (
        "import sys; from serve.sources.gcs import HttpBucket;"
        "HttpBucket('gs://housing/cheap').write('object', b'content');"
        "print('google.auth' in sys.modules)"
    )
    run = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout == "False\n"


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
