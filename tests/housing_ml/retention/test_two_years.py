"""Two years of weekly retrains and daily traffic, with a clean-up each week: small for ever."""

from __future__ import annotations

import os
import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from housing_ml.bundle.manifest import sha256
from housing_ml.config.retention import RetentionConfig
from housing_ml.feedback.actual_prices import Batch, Feedback
from housing_ml.feedback.log_format import FORMAT
from housing_ml.feedback.prediction_log import read_log, stamp
from housing_ml.releases.channels import (
    fetch_bundle,
    history,
    move_channels,
    open_releases,
    publish_bundle,
    read_channels,
    record_release,
)
from housing_ml.releases.holdout_errors import errors_name
from housing_ml.releases.records import Event, Release, TrainingData
from housing_ml.releases.rollback import roll_back
from housing_ml.retention.clearing import clear
from housing_ml.retention.summary import summary
from housing_ml.settings import Settings
from housing_ml.storage.errors import ReleaseError
from housing_ml.storage.store import open_store
from serve.prediction_log import parquet
from serve.prediction_log.segments import Entry, to_columns
from tests.untrained_bundle import bundle_files

if TYPE_CHECKING:
    from pathlib import Path

FIRST = datetime(2026, 1, 4, 2, tzinfo=UTC)
WEEKS = 104
CONFIG = RetentionConfig(champion_months=6, log_days=100)
DATA = random.Random(3).randbytes(20_000)  # noqa: S311 - no secret


class Life:
    """A platform whose files carry the dates of the weeks in which they were written."""

    def __init__(self, home: Path) -> None:
        self.settings = Settings(home=home)
        self.releases = open_releases(self.settings)
        self._dated: set[Path] = set()

    def week(self, index: int) -> datetime:
        """Retrain, publish, log a day of traffic with feedback; date all that is new."""
        now = FIRST + timedelta(weeks=index)
        stored = open_store(self.settings).put_bytes(DATA + str(index).encode(), ".parquet")
        record = self.settings.storage_path / "results" / "ingestion" / f"{index:064}.json"
        record.parent.mkdir(parents=True, exist_ok=True)
        record.write_text(stored.model_dump_json())
        self.publish(index, now, promote=index % 3 != 1)
        self.traffic(now)
        folder = self.settings.reports_path / f"version-{index}"
        folder.mkdir(parents=True)
        (folder / "figure.png").write_bytes(DATA)
        self.releases.write(f"monitoring/reports/{now:%Y%m%d}.html", DATA)
        self.date(now)
        return now

    def publish(self, index: int, now: datetime, *, promote: bool) -> None:
        files = bundle_files(str(index))
        release = Release(
            version=str(index),
            bundle=sha256(files["manifest.json"]),
            model="ridge",
            metrics={},
            data=TrainingData(digest="d", rows=1, synthetic=False),
            promoted_at=now.isoformat(timespec="microseconds"),
            promoted_by="me",
            reason="it is Sunday",
        )
        publish_bundle(self.releases, release.bundle, files)
        record_release(self.releases, release)
        self.releases.write(f"predictions/{release.bundle}.parquet", DATA)
        self.releases.write(errors_name(release.bundle), DATA)
        if promote:
            channels, generation = read_channels(self.releases)
            before = channels.channels.get("champion")
            moved = {"champion": release, **({"previous": before} if before else {})}
            event = Event(
                kind="promotion",
                version=release.version,
                bundle=release.bundle,
                at=release.promoted_at,
                by="me",
                reason="better",
            )
            move_channels(self.releases, lambda _: moved, if_generation=generation, event=event)

    def traffic(self, moment: datetime) -> None:
        for worker in range(3):
            ids = [f"{moment:%Y%m%d}-{worker}-{row}" for row in range(20)]
            entry = Entry(moment.timestamp(), "1", "champion", ids, np.ones((20, 12)).tobytes())
            name = f"predictions/date={moment:%Y-%m-%d}/{worker}.parquet"
            self.releases.write(name, parquet.encode(to_columns([entry])))
            batch = Batch(moment.timestamp(), (Feedback(ids[0], 1e5),))
            folder = f"feedback/date={moment:%Y-%m-%d}"
            self.releases.write(f"{folder}/{worker}.json", msgspec.json.encode(batch))

    def date(self, now: datetime) -> None:
        """Give the files that came since the last call the time of the simulation."""
        new = set(self.settings.home.rglob("*")) - self._dated
        for path in new:
            os.utime(path, (now.timestamp(), now.timestamp()))
        self._dated |= new

    def size(self) -> int:
        return sum(path.stat().st_size for path in self.settings.home.rglob("*") if path.is_file())

    def champions(self, now: datetime, days: int) -> list[str]:
        since = (now - timedelta(days=days)).isoformat()
        return [item.bundle for item in history(self.releases) if item.at >= since]


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> tuple[Life, list[int], datetime]:
    """Two years, and the size after each clean-up."""
    found, sizes, now = Life(tmp_path_factory.mktemp("home")), [], FIRST
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)  # nobody pulls the plug of a simulation
        for index in range(WEEKS):
            now = found.week(index)
            clear(found.settings, CONFIG, now, delete=True)
            found.date(now)
            sizes.append(found.size())
    return found, sizes, now


def test_after_the_first_half_year_the_home_grows_by_records_alone(
    life: tuple[Life, list[int], datetime],
) -> None:
    found, sizes, _ = life

    kept_for_ever = sum(
        path.stat().st_size
        for folder in ("history", "versions")
        for path in (found.settings.releases_path / folder).iterdir()
    )
    assert sizes[-1] - kept_for_ever <= max(sizes[:30])
    assert sizes[-1] < 3_000_000


def test_history_and_records_are_whole_and_last_months_champion_can_be_rolled_back_to(
    life: tuple[Life, list[int], datetime],
) -> None:
    found, _, now = life

    assert len(history(found.releases)) == WEEKS - WEEKS // 3 - (WEEKS % 3 > 1)
    assert len(found.releases.names("versions")) == WEEKS
    month_old = found.champions(now, 35)[0]
    restored = roll_back(found.releases, month_old, why="it was better", by="me")
    assert restored.bundle == month_old
    assert fetch_bundle(found.releases, month_old)


def test_what_is_kept_of_a_holdout_goes_with_its_bundle(
    life: tuple[Life, list[int], datetime],
) -> None:
    releases = life[0].releases
    kept = {name.rpartition("/")[2] for name in releases.folders("bundles")}

    assert {name.rpartition("/")[2] for name in releases.names("holdout")} == {
        f"{digest}.json" for digest in kept
    }


def test_a_champion_of_two_years_ago_is_gone_and_the_roll_back_says_so(
    life: tuple[Life, list[int], datetime],
) -> None:
    found, _, _ = life
    first = history(found.releases)[0]

    with pytest.raises(ReleaseError, match="was deleted"):
        roll_back(found.releases, first.bundle, why="nostalgia", by="me")


def test_an_old_day_of_the_log_is_one_file_with_all_rows(
    life: tuple[Life, list[int], datetime],
) -> None:
    found, _, now = life
    day = now - timedelta(weeks=10)
    names = found.releases.names(f"predictions/date={day:%Y-%m-%d}")

    assert [name.rpartition("/")[2] for name in names] == ["day.parquet"]
    (rows,) = read_log(found.releases, names[0])
    assert len(set(rows.ids.to_pylist())) == 60
    content = found.releases.read(names[0])
    assert content
    assert stamp(pq.ParquetFile(pa.BufferReader(content.content))).format == FORMAT.number
    assert found.releases.names(f"predictions/date={now - timedelta(weeks=20):%Y-%m-%d}") == []


def test_without_delete_it_tells_and_changes_nothing(tmp_path: Path) -> None:
    life = Life(tmp_path / "home")
    for index in range(3):
        life.week(index)
    before = sorted(life.settings.home.rglob("*"))

    report = clear(life.settings, CONFIG, FIRST + timedelta(weeks=60), delete=False)

    assert "| data | 3 |" in summary(report)
    told = {part.name: part.items for part in report.parts if part.items}
    assert told["stage results"] == told["data"] == 3
    assert told["prediction log"] == 9
    assert told["reports of retrains"] == 3
    assert "may go" in str(report)
    assert sorted(life.settings.home.rglob("*")) == before
