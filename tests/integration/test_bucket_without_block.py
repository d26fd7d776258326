"""A bucket by its address alone, as Cloud Run's job has it: no mount, and no block on a server."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from housing_ml.config.retention import RetentionConfig
from housing_ml.releases.channels import open_releases
from housing_ml.retention.clearing import clear
from housing_ml.settings import Settings
from housing_ml.storage.errors import ConflictError
from housing_ml.storage.places import open_bucket
from housing_ml.storage.store import open_files, open_store
from serve.sources.sources import open_storage
from tests.integration.gcs_emulator import BUCKET

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.gcs_emulator import Emulator

# prefect-gcp leaves its clients' connections to the garbage collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket"),
]


@pytest.fixture
def settings(gcs: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """A job's settings: an address and an identity; Prefect's server is out of reach."""
    key = tmp_path / "key.json"
    key.write_text(json.dumps(gcs.service_account))
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
    yield Settings(home=tmp_path / "home", bucket=f"gs://{BUCKET}/job", service_account_file=key)
    open_bucket.cache_clear()


def test_a_promotion_keeps_its_precondition_and_the_service_sees_it_at_once(
    settings: Settings,
) -> None:
    job, service = open_releases(settings), open_storage(f"gs://{BUCKET}/job/releases")

    first = job.write("channels.json", b"one", if_generation=0)
    assert service.read("channels.json") == (b"one", first)
    second = service.write("channels.json", b"two", if_generation=first)
    with pytest.raises(ConflictError):
        job.write("channels.json", b"three", if_generation=first)
    assert job.read("channels.json") == (b"two", second)
    assert not settings.home.exists()


def test_data_are_kept_there_too_and_deleted_objects_are_gone(settings: Settings) -> None:
    ref = open_store(settings).put_bytes(b"rows", ".parquet")
    assert open_store(settings).get_bytes(ref) == b"rows"

    place = open_bucket(settings.bucket or "", settings.service_account_file)
    place.delete(ref.key)
    place.delete(ref.key)
    assert not open_store(settings).holds(ref)


def test_what_nobody_needs_any_more_goes_from_a_bucket_as_from_a_folder(
    gcs: Emulator, settings: Settings
) -> None:
    later = datetime.now(UTC) + timedelta(days=500)
    settings = settings.model_copy(update={"bucket": f"gs://{BUCKET}/old"})
    store, files, releases = open_store(settings), open_files(settings), open_releases(settings)
    ref = store.put_bytes(b"of an old result", ".parquet")
    files.write_path("results/split/1.json", ref.model_dump_json().encode())
    for name in ("bundles/old/model.onnx", "predictions/old.parquet", "versions/1-old.json"):
        releases.write(name, b"{}")
    releases.write("predictions/date=2026-01-01/a.parquet", b"rows")

    def there() -> list[str]:
        return [name for name in gcs.objects() if name.startswith("old/")]

    before = there()
    told = clear(settings, RetentionConfig(), later, delete=False)
    assert there() == before
    assert {part.name: part.items for part in told.parts if part.items} == {
        "stage results": 1,
        "data": 1,
        "bundles": 2,
        "prediction log": 1,
    }
    assert sum(part.size or 0 for part in told.parts) > len(b"of an old result")

    clear(settings, RetentionConfig(), later, delete=True)
    assert there() == ["old/releases/versions/1-old.json"]
