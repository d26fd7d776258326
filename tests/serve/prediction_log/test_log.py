"""Every prediction is logged: through kill -9, a full disk, a stop, and storage that is out."""

from __future__ import annotations

import io
import resource
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from housing_ml.data.contract import CATEGORY, COLUMNS
from housing_ml.feedback.prediction_log import LogError, read_log
from housing_ml.storage.versioned import LocalReleases
from serve.prediction_log import parquet, segments
from serve.prediction_log.segments import Entry, FinishedSegment, SegmentWriter, read_entries
from tests.serve.conftest import Home
from tests.waiting import PATIENCE_SECONDS, until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pyarrow as pa

    from tests.serve.conftest import Models, Service

FLUSH_SECONDS = 0.5


@pytest.fixture
def own(tmp_path: Path, models: Models) -> Home:
    """A home with a log of its own."""
    home = Home(tmp_path)
    home.publish(models.first.bundle, "1")
    return home


def logged(home: Home) -> list[dict[str, Any]]:
    """All rows that reached storage."""
    files = sorted((home.releases.root / "predictions").rglob("*.parquet"))
    tables: list[pa.Table] = [pq.read_table(file, partitioning=None) for file in files]
    return [row for table in tables for row in table.to_pylist()]


def on_disk(home: Home) -> int:
    """Bytes of the log that the service has not yet moved to storage."""
    files = (home.path / "service" / "log").glob(f"*{segments.SUFFIX}")
    return sum(file.stat().st_size for file in files)


def formats(home: Home) -> set[bytes]:
    """What the files that reached storage say of their format."""
    files = (home.releases.root / "predictions").rglob("*.parquet")
    return {pq.read_metadata(file).metadata[b"format"] for file in files}


def ids(answer: dict[str, Any]) -> list[str]:
    return [found["prediction_id"] for found in answer["predictions"]]


def test_a_stop_answers_what_is_under_way_and_every_prediction_reaches_storage(
    own: Home, start: Callable[..., Service], instances: list[dict[str, Any]]
) -> None:
    service = start(own.path)
    answer = service.predict(instances[:300]).json()

    def slowly() -> Any:
        content = service.client.build_request(
            "POST", "/api/v1/predict", json={"instances": instances[300:302]}
        ).content
        yield content[:100]
        service.process.terminate()
        time.sleep(0.5)
        yield content[100:]

    headers = {"Content-Type": "application/json"}
    last = service.client.post("/api/v1/predict", content=slowly(), headers=headers).json()
    service.process.wait(PATIENCE_SECONDS)
    rows = logged(own)
    assert [row["prediction_id"] for row in rows] == ids(answer) + ids(last)
    assert formats(own) == {b"1"}
    assert {(row["model_version"], row["channel"]) for row in rows} == {("1", "champion")}
    for row, sent, found in zip(rows, instances[:300], answer["predictions"], strict=False):
        assert row["predicted_price"] == found["predicted_price"]
        assert row["lower"] == found["prediction_interval"]["lower"]
        bedrooms = sent["total_bedrooms"]
        same = [name for name in COLUMNS if row[name] == sent[name] or bedrooms is None]
        assert same == list(COLUMNS)
        assert abs(row["time"].timestamp() - time.time()) < 600


def test_kill_9_loses_nothing_older_than_the_flush_interval(
    own: Home, start: Callable[..., Service], instances: list[dict[str, Any]]
) -> None:
    first = start(own.path, log_flush_seconds=FLUSH_SECONDS)
    answer = first.predict(instances[:100]).json()
    until(lambda: on_disk(own) > 0)
    first.stop(9)
    assert logged(own) == []
    start(own.path).stop()
    assert [row["prediction_id"] for row in logged(own)] == ids(answer)


def test_a_full_disk_stops_no_prediction_and_what_is_not_logged_is_counted(
    own: Home, start: Callable[..., Service], instances: list[dict[str, Any]]
) -> None:
    service = start(own.path, log_queue=150, log_flush_seconds=0.1)
    resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))
    answers = [service.predict(instances[:50])]

    def log() -> dict[str, Any]:
        found: dict[str, Any] = service.deep()["dependencies"]["prediction log"]
        return found

    until(lambda: log()["state"] == "degraded")
    assert "File too large" in log()["detail"]
    answers += [service.predict(instances[:50]) for _ in range(3)]
    assert {answer.status_code for answer in answers} == {200}
    until(lambda: service.metric("housing_log_queue_depth") == 150)
    assert service.metric("housing_predictions_not_logged_total", reason="queue_full") == 50
    limits = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE, limits)
    until(lambda: log()["state"] == "ok")
    service.stop()
    wanted = [name for answer in answers[:3] for name in ids(answer.json())]
    assert [row["prediction_id"] for row in logged(own)] == wanted


def test_a_service_without_a_log_writes_none(
    own: Home, start: Callable[..., Service], instances: list[dict[str, Any]]
) -> None:
    service = start(own.path, prediction_log="false")
    service.predict(instances[:5])
    assert "prediction log" not in service.deep()["dependencies"]
    service.stop()
    assert logged(own) == []


def entry(number: int, rows: int = 2) -> Entry:
    raw = np.full((rows, len(COLUMNS)), float(number))
    raw[:, -1] = -1
    outputs = [np.arange(rows, dtype=np.float64) + number * 10] * 3
    return Entry.of("7", "champion", [f"{number}-{row}" for row in range(rows)], raw, outputs)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_segment_that_is_cut_anywhere_gives_back_every_whole_block(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    writer = SegmentWriter(tmp_path_factory.mktemp("log"))
    ends = []
    for number in range(4):
        writer.append([entry(number)])
        ends.append(writer.size)
    writer.close()
    cut = data.draw(st.integers(0, writer.size))
    content = writer.path.read_bytes()[:cut]
    found = list(read_entries(io.BytesIO(content)))
    assert [item.ids for item in found] == [
        entry(number).ids for number, end in enumerate(ends) if end <= cut
    ]


def test_a_damaged_block_ends_the_segment(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path)
    writer.append([entry(0)])
    whole = writer.size
    writer.append([entry(1)])
    writer.close()
    content = bytearray(writer.path.read_bytes())
    content[whole + 20] ^= 1
    assert [item.ids[0] for item in read_entries(io.BytesIO(content))] == ["0-0"]


def test_a_segment_of_a_newer_version_waits_for_it_and_holds_up_no_other(
    own: Home, start: Callable[..., Service], instances: list[dict[str, Any]]
) -> None:
    newer = own.path / "service" / "log" / f"20260101T000000-newer{segments.SUFFIX}"
    newer.parent.mkdir(parents=True)
    newer.write_bytes(b"HMLSEG99 9.0.0\nwhat nobody knows yet")
    service = start(own.path)
    answer = service.predict(instances[:5]).json()
    service.stop()
    assert [row["prediction_id"] for row in logged(own)] == ids(answer)
    assert newer.exists()
    assert "format 99, but this code reads format 1" in service.output
    assert "install housing-ml 9.0.0, or a later one" in service.output


@pytest.mark.parametrize(
    ("said", "readable"),
    [({}, True), ({"format": "1"}, True), ({"format": "99", "needs": "9.0.0"}, False)],
)
def test_a_file_of_the_log_says_its_format(
    tmp_path: Path, said: dict[str, str], *, readable: bool
) -> None:
    storage = LocalReleases(tmp_path)
    storage.write("log.parquet", parquet.encode(segments.to_columns([entry(1)]), said))
    if readable:
        assert [rows.ids.to_pylist() for rows in read_log(storage, "log.parquet")] == [
            ["1-0", "1-1"]
        ]
    else:
        with pytest.raises(LogError, match=r"log\.parquet: format 99, .* housing-ml 9\.0\.0"):
            next(read_log(storage, "log.parquet"))


def test_a_segment_that_is_written_to_is_nobody_elses(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path)
    with FinishedSegment(writer.path) as file:
        assert file is None
    writer.close()
    with FinishedSegment(writer.path) as file:
        assert file is not None
    writer.path.unlink()
    with FinishedSegment(writer.path) as file:
        assert file is None


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@settings(max_examples=50, deadline=None)
@given(
    rows=st.lists(
        st.tuples(texts, st.floats(), st.integers(-(2**53), 2**53), texts), min_size=1, max_size=40
    )
)
def test_parquet_files_read_back_as_they_were_written(
    rows: list[tuple[str, float, int, str]],
) -> None:
    names, numbers, moments, texts = map(list, zip(*rows, strict=True))
    content = parquet.encode(
        {
            "name": names,
            "number": np.array(numbers, dtype=np.float64),
            "time": np.array(moments, dtype="datetime64[us]"),
            "näme 2": texts,
        }
    )
    table = pq.read_table(io.BytesIO(content))
    assert table.column_names == ["name", "number", "time", "näme 2"]
    assert table["name"].to_pylist() == names
    assert table["näme 2"].to_pylist() == texts
    assert table["number"].to_numpy().tobytes() == np.array(numbers).tobytes()
    assert str(table.schema.field("time").type) == "timestamp[us, tz=UTC]"
    assert table["time"].cast("int64").to_pylist() == moments


def test_parquet_compresses_what_shrinks_and_leaves_prices_as_they_are() -> None:
    prices = np.random.default_rng(0).uniform(1e4, 5e5, 3000)
    content = parquet.encode({"channel": ["champion"] * len(prices), "price": prices})
    columns = pq.ParquetFile(io.BytesIO(content)).metadata.row_group(0)
    table = pq.read_table(io.BytesIO(content))

    assert [columns.column(number).compression for number in (0, 1)] == ["GZIP", "UNCOMPRESSED"]
    assert table["channel"].unique().to_pylist() == ["champion"]
    assert table["price"].to_numpy().tobytes() == prices.tobytes()


def test_the_table_of_the_log_has_a_row_for_each_prediction() -> None:
    columns = segments.to_columns([entry(1), entry(2, rows=1)])
    assert list(columns) == [
        *("prediction_id", "time", "model_version", "channel"),
        *COLUMNS,
        *segments.OUTPUTS,
    ]
    assert columns["prediction_id"] == ["1-0", "1-1", "2-0"]
    assert columns[CATEGORY] == ["", "", ""]
    assert list(columns["lower"]) == [10.0, 11.0, 20.0]
