"""A bucket, through prefect-gcp and Google's own client, over HTTP to an emulator with faults."""

from __future__ import annotations

import gc
import threading
import warnings
from collections import Counter
from contextlib import suppress
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest
from prefect_gcp import GcpCredentials, GcsBucket

from housing_ml.releases.channels import history, move_channels, read_channels
from housing_ml.releases.records import Event, Release, TrainingData, now
from housing_ml.storage.errors import ConflictError
from housing_ml.storage.gcs import Bucket, BucketError
from housing_ml.storage.store import Store
from tests.integration.gcs_emulator import BUCKET

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from tests.integration.gcs_emulator import Emulator

# prefect-gcp leaves its clients' connections to the garbage collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket"),
]

SEVERAL_PARTS = bytes(range(256)) * 40_000  # 10 MB: more than one request takes


@pytest.fixture
def block(gcs: Emulator, request: pytest.FixtureRequest) -> Iterator[GcsBucket]:
    """A bucket's block with a folder of its own for each test."""
    credentials: Any = GcpCredentials(service_account_info=gcs.service_account)
    gcs.requests.clear()
    yield GcsBucket(bucket=BUCKET, gcp_credentials=credentials, bucket_folder=request.node.name)
    assert not gcs.faults, "a fault that nobody met"


@pytest.fixture
def bucket(block: GcsBucket) -> Bucket:
    return Bucket(block, patience_seconds=20)


def test_what_is_written_is_read_with_its_generation(bucket: Bucket) -> None:
    assert bucket.read("a/b.json") is None
    first = bucket.write("a/b.json", b"one")
    second = bucket.write("a/b.json", b"two")
    assert 0 < first < second
    assert bucket.read("a/b.json") == (b"two", second)


def test_the_names_of_a_folder_are_those_directly_in_it(bucket: Bucket) -> None:
    for name in ("history/2.json", "history/1.json", "history/deeper/3.json", "history2/4.json"):
        bucket.write(name, b"{}")
    assert bucket.names("history") == ["history/1.json", "history/2.json"]
    assert bucket.folders("history") == ["history/deeper"]
    assert bucket.names("nothing") == bucket.folders("nothing") == []
    assert bucket.below("history").names("deeper") == ["deeper/3.json"]


def test_a_large_object_goes_in_parts_and_comes_back_whole(bucket: Bucket, gcs: Emulator) -> None:
    generation = bucket.write("bundle", SEVERAL_PARTS)
    assert any("uploadType=resumable" in request for request in gcs.requests)
    assert bucket.read("bundle") == (SEVERAL_PARTS, generation)


def test_of_two_writers_who_saw_the_same_one_wins_and_the_other_is_told(bucket: Bucket) -> None:
    seen = bucket.write("channels.json", b"old")
    bucket.write("channels.json", b"first", if_generation=seen)
    with pytest.raises(ConflictError, match=r"channels\.json was changed by someone else"):
        bucket.write("channels.json", b"second", if_generation=seen)
    with pytest.raises(ConflictError):
        bucket.write("channels.json", SEVERAL_PARTS, if_generation=seen)
    found = bucket.read("channels.json")
    assert found is not None
    assert found.content == b"first"


def test_many_who_create_the_same_at_once_have_one_winner(bucket: Bucket) -> None:
    outcomes: list[str] = []

    def create(number: int) -> None:
        try:
            bucket.write("new", str(number).encode(), if_generation=0)
            outcomes.append(str(number))
        except ConflictError:
            outcomes.append("told")

    threads = [threading.Thread(target=create, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = (outcome for outcome in outcomes if outcome != "told")
    assert len(outcomes) == 8
    found = bucket.read("new")
    assert found is not None
    assert found.content.decode() == winner


def test_promoters_at_once_move_the_channels_one_after_the_other(bucket: Bucket) -> None:
    def promote(version: int) -> None:
        champion = release(version)
        event = Event(
            kind="promotion",
            version=champion.version,
            bundle=champion.bundle,
            at=now(),
            by="test",
            reason="better",
        )
        moved = False
        while not moved:
            _, generation = read_channels(bucket)
            with suppress(ConflictError):
                move_channels(
                    bucket,
                    lambda channels: channels | {"champion": champion},
                    if_generation=generation,
                    event=event,
                )
                moved = True

    threads = [threading.Thread(target=promote, args=(version,)) for version in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    channels, _ = read_channels(bucket)
    assert channels.sequence == 4
    assert sorted(event.version for event in history(bucket)) == ["0", "1", "2", "3"]


def release(version: int) -> Release:
    return Release(
        version=str(version),
        bundle="d" * 64,
        model="ridge",
        metrics={},
        data=TrainingData(digest="d", rows=1, synthetic=False),
        promoted_at=now(),
        promoted_by="test",
        reason="",
    )


FAULTS = [
    *[(fault, b"small") for fault in ("away", "reset", "answer lost", "slow", "unauthorized")],
    *[(fault, SEVERAL_PARTS) for fault in ("away", "reset", "truncated", "answer lost")],
]
FAULT_NAMES = [
    f"{fault} {'large' if content is SEVERAL_PARTS else ''}" for fault, content in FAULTS
]


@pytest.mark.parametrize(("fault", "content"), FAULTS, ids=FAULT_NAMES)
def test_a_read_outlives_a_fault(bucket: Bucket, gcs: Emulator, fault: Any, content: bytes) -> None:
    generation = bucket.write("object", content)
    gcs.fail(fault, "^GET")
    assert bucket.read("object") == (content, generation)


@pytest.mark.parametrize(("fault", "content"), FAULTS, ids=FAULT_NAMES)
def test_a_conditional_write_outlives_a_fault(
    bucket: Bucket, gcs: Emulator, fault: Any, content: bytes
) -> None:
    seen = bucket.write("object", b"old")
    gcs.fail(fault, "^(POST|PUT)")
    generation = bucket.write("object", content, if_generation=seen)
    assert generation > seen
    assert bucket.read("object") == (content, generation)


@pytest.mark.parametrize("fault", ["away", "reset", "unauthorized"])
def test_a_service_that_stays_away_is_one_clear_error(
    block: GcsBucket, gcs: Emulator, fault: Any
) -> None:
    bucket = Bucket(block, patience_seconds=1)
    seen = bucket.write("object", b"old")
    gcs.fail(fault, times=100)
    with pytest.raises(BucketError, match=r"/object cannot be read \((.|\n)*credentials"):
        bucket.read("object")
    with pytest.raises(BucketError, match="cannot be written"):
        bucket.write("object", b"new")
    with pytest.raises(BucketError, match="cannot be listed"):
        bucket.names("folder")
    gcs.faults.clear()
    assert bucket.read("object") == (b"old", seen)


def test_a_refused_download_leaves_no_connection_open(block: GcsBucket, gcs: Emulator) -> None:
    bucket = Bucket(block, patience_seconds=1)
    bucket.write("object", b"content")
    gcs.fail("away", times=100)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with pytest.raises(BucketError):
            bucket.read("object")
        gc.collect()
    gcs.faults.clear()
    assert not [item for item in caught if item.category is ResourceWarning]


def test_a_store_in_a_bucket_gives_back_what_it_took(
    bucket: Bucket, housing_frame: pd.DataFrame
) -> None:
    store = Store(bucket, bucket.address)
    ref = store.put_frame(housing_frame)
    assert store.get_frame(ref).equals(housing_frame)
    assert store.holds(ref)


def test_a_store_asks_for_digests_and_reads_no_data_to_know_what_it_holds(
    bucket: Bucket, gcs: Emulator
) -> None:
    store = Store(bucket, bucket.address)
    ref = store.put_bytes(SEVERAL_PARTS, ".bin")
    gcs.requests.clear()
    assert store.put_bytes(SEVERAL_PARTS, ".bin") == ref
    assert store.holds(ref)
    assert gcs.asked() == Counter(look=2)


def test_a_replaced_object_is_not_held_and_storing_it_again_mends_it(
    bucket: Bucket, block: GcsBucket
) -> None:
    store = Store(bucket, bucket.address)
    ref = store.put_bytes(b"content", ".bin")
    block.write_path(ref.key, b"rotten")
    assert not store.holds(ref)
    store.put_bytes(b"content", ".bin")
    assert store.get_bytes(ref) == b"content"
    assert bucket.sha256(ref.key) == sha256(b"content").hexdigest()


def test_a_client_keeps_its_token(
    bucket: Bucket, gcs: Emulator, request: pytest.FixtureRequest
) -> None:
    for number in range(20):
        bucket.write(str(number), b"")
        bucket.read(str(number))
    tokens = [token for path, token in gcs.shown if request.node.name in path]
    assert len(tokens) == 20
    assert len(set(tokens)) == 1
