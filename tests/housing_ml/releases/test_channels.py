from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from housing_ml.releases.channels import (
    CHANNELS,
    fetch_bundle,
    history,
    move_channels,
    publish_bundle,
    read_channels,
    record_event,
)
from housing_ml.releases.records import Channels, Event, Release, TrainingData, now
from housing_ml.storage.errors import ConflictError, ReleaseError
from housing_ml.storage.versioned import LocalReleases
from tests.waiting import PATIENCE_SECONDS

if TYPE_CHECKING:
    from pathlib import Path

PROCESSES = multiprocessing.get_context("spawn")


def release(version: str) -> Release:
    return Release(
        version=version,
        bundle=version * 64,
        model="ridge",
        metrics={"rmse": 1.0},
        data=TrainingData(digest="d", rows=1, synthetic=False),
        promoted_at=now(),
        promoted_by="someone",
        reason="better",
    )


def event(kind: str = "promotion") -> Event:
    return Event(kind=kind, version="1", bundle="b", at=now(), by="someone", reason="better")  # type: ignore[arg-type]


@pytest.fixture
def releases(tmp_path: Path) -> LocalReleases:
    return LocalReleases(tmp_path / "releases")


def promote(root: Path, version: str, generation: int) -> int:
    """Move the champion as one of several processes; 0 is done, 1 is told of the other."""
    try:
        move_channels(
            LocalReleases(root),
            lambda old: {**old, "champion": release(version)},
            if_generation=generation,
        )
    except ConflictError:
        return 1
    return 0


def test_before_the_first_promotion_there_are_no_channels(releases: LocalReleases) -> None:
    assert read_channels(releases) == (Channels(), 0)


def test_a_moved_channel_is_read_back(releases: LocalReleases) -> None:
    first = release("1")

    moved = move_channels(releases, lambda _: {"champion": first}, if_generation=0)

    found, generation = read_channels(releases)
    assert found == moved
    assert found.channels == {"champion": first}
    assert found.sequence == 1
    assert generation > 0


def test_of_two_promoters_at_once_one_wins_and_the_other_is_told(
    releases: LocalReleases,
) -> None:
    releases.root.mkdir(parents=True)
    with PROCESSES.Pool(2) as pool:
        outcomes = pool.starmap(promote, [(releases.root, "1", 0), (releases.root, "2", 0)])

    assert sorted(outcomes) == [0, 1]
    assert read_channels(releases)[0].sequence == 1


def test_a_stale_view_of_the_channels_moves_nothing(releases: LocalReleases) -> None:
    move_channels(releases, lambda _: {"champion": release("1")}, if_generation=0)

    with pytest.raises(ConflictError, match="look again"):
        move_channels(releases, lambda _: {"champion": release("2")}, if_generation=0)
    assert read_channels(releases)[0].channels["champion"].version == "1"


def test_a_reader_never_sees_half_a_document(releases: LocalReleases) -> None:
    documents = [b"a" * 200_000, b"b" * 200_000]
    releases.write("doc", documents[0])
    stop = threading.Event()

    def write_without_end() -> None:
        while not stop.is_set():
            for document in documents:
                releases.write("doc", document)

    writer = threading.Thread(target=write_without_end)
    writer.start()
    try:
        for _ in range(300):
            found = releases.read("doc")
            assert found is not None
            assert found.content in documents
    finally:
        stop.set()
        writer.join()


def hold_the_lock_for_ever(root: Path, held: threading.Event) -> None:
    with LocalReleases(root)._lock():
        held.set()
        signal.pause()


def test_a_promoter_killed_with_the_lock_in_hand_holds_up_nobody(releases: LocalReleases) -> None:
    held = PROCESSES.Event()
    process = PROCESSES.Process(target=hold_the_lock_for_ever, args=(releases.root, held))
    process.start()
    assert held.wait(PATIENCE_SECONDS)
    assert process.pid is not None

    os.kill(process.pid, signal.SIGKILL)
    process.join()

    assert promote(releases.root, "1", 0) == 0


def test_a_damaged_document_is_an_error_that_names_it(releases: LocalReleases) -> None:
    releases.write(CHANNELS, b'{"channels": ')

    with pytest.raises(ReleaseError, match=r"channels\.json is damaged"):
        read_channels(releases)


@pytest.mark.parametrize(
    ("manifest", "reason"),
    [
        (b'{"format": 99, "needs": "9.0.0", "heads": 2}', "install housing-ml 9.0.0, or a later"),
        (b'{"format": 1, "model": "ridge"}', "manifest.json is damaged"),
        (b"rotten", "manifest.json is damaged"),
    ],
)
def test_the_format_of_a_changed_manifest_is_looked_at_before_its_digest(
    releases: LocalReleases, manifest: bytes, reason: str
) -> None:
    releases.write(f"bundles/{'0' * 64}/manifest.json", manifest)
    with pytest.raises(ReleaseError, match=reason):
        fetch_bundle(releases, "0" * 64)


def test_a_bundle_is_published_under_its_own_digest_only(releases: LocalReleases) -> None:
    with pytest.raises(ReleaseError, match="another digest"):
        publish_bundle(releases, "0" * 64, {"manifest.json": b"{}"})
    assert releases.names("bundles") == []


def test_the_history_keeps_every_event_in_order(releases: LocalReleases) -> None:
    events = [event("promotion"), event("rejection"), event("rollback")]
    for item in events:
        record_event(releases, item)

    assert history(releases) == events


@given(st.dictionaries(st.sampled_from(["champion", "previous", "canary"]), st.text(max_size=5)))
def test_the_document_survives_the_round_trip(versions: dict[str, str]) -> None:
    channels = Channels(
        sequence=3, channels={name: release(version) for name, version in versions.items()}
    )

    assert msgspec.json.decode(msgspec.json.encode(channels), type=Channels) == channels
