"""Feedback is kept before it is acknowledged, once, whatever order it comes in."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from housing_ml.feedback.actual_prices import Batch, Feedback, FeedbackStore, batches, compact
from housing_ml.feedback.bounds import capped
from housing_ml.storage.versioned import LocalReleases

TODAY = datetime.now(UTC).date()
DAYS = (TODAY - timedelta(days=1), TODAY, TODAY + timedelta(days=1))  # midnight may pass


def test_what_was_added_is_there_for_a_process_that_starts_later(tmp_path: Path) -> None:
    items = [Feedback("a-0", 100_000.0), Feedback("b-0", 250_000.0)]

    FeedbackStore(LocalReleases(tmp_path)).add(items)

    (batch,) = batches(LocalReleases(tmp_path), DAYS)
    assert list(batch.items) == items
    assert batch.received == pytest.approx(datetime.now(UTC).timestamp(), abs=60)


def test_what_is_acknowledged_survives_a_loss_of_power(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    sync = os.fsync

    def remember(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", remember)
    FeedbackStore(LocalReleases(tmp_path)).add([Feedback("a-0", 100_000.0)])

    file, *folders = synced
    assert file.parent == folders[0]
    assert folders == [file.parent, file.parent.parent, tmp_path]


def test_the_service_needs_no_heavy_library_for_it() -> None:
    code = (
        "import sys, housing_ml.feedback.actual_prices, housing_ml.bundle.reference; "
        "print({'pandas', 'pyarrow', 'pydantic', 'prefect', 'sklearn'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "set()"


def test_the_same_batch_again_changes_nothing(tmp_path: Path) -> None:
    store = FeedbackStore(LocalReleases(tmp_path))
    store.add([Feedback("a-0", 100_000.0)])
    before = list(batches(LocalReleases(tmp_path), DAYS))

    store.add([Feedback("a-0", 100_000.0)])

    assert list(batches(LocalReleases(tmp_path), DAYS)) == before


def test_what_cannot_be_kept_is_not_acknowledged(tmp_path: Path) -> None:
    (tmp_path / "feedback").write_text("a file where the folder should be")

    with pytest.raises(OSError, match="feedback"):
        FeedbackStore(LocalReleases(tmp_path)).add([Feedback("a-0", 100_000.0)])


@pytest.mark.parametrize("price", ["0", "-5", "1e9", '"much"', "null"])
def test_a_price_is_held_to_the_contract(price: str) -> None:
    request = f'{{"prediction_id": "a-0", "actual_price": {price}}}'

    with pytest.raises(msgspec.ValidationError, match="actual_price"):
        msgspec.json.decode(request, type=Feedback)


def test_many_files_of_a_day_become_one_and_nothing_is_lost(tmp_path: Path) -> None:
    storage = LocalReleases(tmp_path)
    for number in range(40):
        FeedbackStore(storage).add([Feedback(f"a-{number}", 100_000.0)], "agency")
    before = {batch.items[0].prediction_id for batch in batches(storage, DAYS)}

    assert compact(storage, DAYS) == 40
    FeedbackStore(storage).add([Feedback("late", 1.0)], "agency")
    assert compact(storage, DAYS) == 0

    found = list(batches(storage, DAYS))
    assert {batch.items[0].prediction_id for batch in found} == before | {"late"}
    assert {batch.sender for batch in found} == {"agency"}
    files = [file for file in (tmp_path / "feedback").rglob("*.json") if file.is_file()]
    assert len(files) == 2


def test_a_sender_counts_only_so_often_a_day_and_the_others_in_full() -> None:
    found = [
        Batch(1000.0 + number, (Feedback(f"{sender}-{number}", 1.0),) * 4, sender)
        for number in range(5)
        for sender in ("agency", "bank")
    ]
    tomorrow = Batch(90_000.0, (Feedback("a", 1.0),), "agency")

    counted = list(capped([tomorrow, *found], 10))

    amounts = {
        sender: sum(len(batch.items) for batch in counted if batch.sender == sender)
        for sender in ("agency", "bank")
    }
    assert amounts == {"agency": 11, "bank": 10}
