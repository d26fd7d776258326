from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa
import pytest

from housing_ml.config.data import DataConfig
from housing_ml.data.contract import IDENTITY, ContractError
from housing_ml.data.ingest import ingest, ingest_synthetic
from housing_ml.data.source import (
    PUBLIC_DATA_SHA256,
    PUBLIC_DATA_URL,
    SourceError,
    SourceUnavailableError,
    locate,
    read_source,
    source_version,
)
from housing_ml.settings import Settings
from housing_ml.storage.store import open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from housing_ml.records.ingestion import IngestResult
    from housing_ml.storage.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(Settings(home=tmp_path / "home"))


@pytest.fixture
def sample(housing_frame: pd.DataFrame) -> pd.DataFrame:
    return housing_frame.head(200).astype({"total_rooms": object})


class Server(ThreadingHTTPServer):
    """Answers each GET with the next of `answers` (status, body), the last one for ever."""

    def __init__(self, answers: list[tuple[int, bytes]]) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.answers = answers
        self.requests = 0

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{name}"


class Answer(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        status, body = self.server.answers[min(self.server.requests, len(self.server.answers) - 1)]
        self.server.requests += 1
        self.send_response(status)
        self.send_header("ETag", sha256(body).hexdigest())
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815 - the same

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture
def serving() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start(*answers: tuple[int, bytes]) -> Server:
        server = Server(list(answers))
        servers.append(server)
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def archive(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name.replace("_csv", ".csv"))
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def zipped(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        packed.writestr("__MACOSX/._rows.csv", b"what macOS adds")
        for name, content in files.items():
            packed.writestr(name.replace("_csv", ".csv"), content)
    return buffer.getvalue()


def ingested(path: Path, store: Store, **config: float) -> IngestResult:
    return ingest(DataConfig(**config), str(path), None, store)


def test_the_real_archive_becomes_typed_rows(
    housing_archive: Path, store: Store, housing_frame: pd.DataFrame
) -> None:
    result = ingest(DataConfig(), str(housing_archive), PUBLIC_DATA_SHA256, store)

    pd.testing.assert_frame_equal(store.get_frame(result.data), housing_frame)
    assert (result.quarantine, result.repeated_rows, result.synthetic) == (None, 0, False)


PACKED = {"csv.gz": gzip.compress, "zip": lambda content: zipped(rows_csv=content)}
PACKED |= {"tgz": lambda content: archive(rows_csv=content)}
PACKED |= {"csv.zst": lambda content: pa.Codec("zstd").compress(content, asbytes=True)}


@pytest.mark.parametrize("form", ["csv", "parquet", "file", "xlsx", *PACKED])
def test_every_form_of_the_same_rows_gives_the_same_data(
    form: str, tmp_path: Path, store: Store, housing_frame: pd.DataFrame
) -> None:
    rows = housing_frame.head(50)
    path = tmp_path / f"rows.{'csv' if form == 'file' else form}"
    if form == "parquet":
        rows.to_parquet(path)
    elif form == "xlsx":
        pytest.importorskip("openpyxl", reason="tables of Excel are an extra")
        rows.to_excel(path, index=False)
    elif form in PACKED:
        path.write_bytes(PACKED[form](rows.to_csv(index=False).encode()))
    else:
        rows.to_csv(path, index=False)
    address = path.as_uri() if form == "file" else str(path)

    result = ingest(DataConfig(), address, None, store)

    assert result.data == store.put_frame(rows)


def test_a_download_is_retried_until_the_server_recovers(
    serving: Callable[..., Server], sample: pd.DataFrame, store: Store
) -> None:
    body = sample.to_csv(index=False).encode()
    server = serving((503, b""), (429, b""), (200, body))

    result = ingest(DataConfig(), server.url("housing.csv"), None, store)

    assert result.data.rows == len(sample)
    assert server.requests == 3


def test_a_server_that_never_recovers_is_told_from_a_wrong_address(
    serving: Callable[..., Server],
) -> None:
    with pytest.raises(SourceUnavailableError, match="503"):
        read_source(serving((503, b"")).url("housing.csv"), None)
    with pytest.raises(SourceError, match="404") as error:
        read_source(serving((404, b"")).url("housing.csv"), None)
    assert not isinstance(error.value, SourceUnavailableError)
    with pytest.raises(SourceUnavailableError):
        read_source("http://127.0.0.1:9/housing.csv", None)


def test_a_source_has_another_version_when_its_content_changes(
    serving: Callable[..., Server], tmp_path: Path
) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("a")
    server = serving((200, b"a"), (200, b"a"), (200, b"b"))
    url = server.url("rows.csv")

    before = source_version(str(file), None)
    file.write_text("b")

    assert source_version(str(file), None) != before
    first, second, third = (source_version(url, None) for _ in range(3))
    assert first == second != third
    assert source_version(url, "f" * 64) == "f" * 64


def test_the_public_data_are_the_default_and_their_digest_is_checked() -> None:
    found = locate(DataConfig(), Settings(data_url=None))

    assert found == (PUBLIC_DATA_URL, PUBLIC_DATA_SHA256, PUBLIC_DATA_SHA256)


def test_the_config_is_followed_before_the_settings(tmp_path: Path) -> None:
    files = [str(tmp_path / name) for name in ("config.csv", "settings.csv")]
    for file in files:
        Path(file).write_text(file)
    settings = Settings(data_url=files[1])

    assert locate(DataConfig(url=files[0]), settings).address == files[0]
    assert locate(DataConfig(), settings).address == files[1]


def test_rows_that_break_the_contract_are_set_aside_with_the_reason(
    sample: pd.DataFrame, tmp_path: Path, store: Store
) -> None:
    sample.loc[3, "total_rooms"] = "many"
    sample.loc[3, "population"] = float("inf")
    sample.loc[7, "median_house_value"] = float("nan")
    sample.to_csv(tmp_path / "rows.csv", index=False)

    result = ingested(tmp_path / "rows.csv", store, max_quarantined_share=0.02)

    assert result.data.rows == len(sample) - 2
    assert result.quarantine is not None
    quarantine = store.get_frame(result.quarantine).set_index("source_row")
    assert quarantine.index.tolist() == [3, 7]
    assert quarantine.loc[3, "total_rooms"] == "many"
    assert "total_rooms must be a number" in quarantine.loc[3, "reasons"]
    assert "population must be a number" in quarantine.loc[3, "reasons"]
    assert {(count.column, count.rows) for count in result.violations} == {
        ("total_rooms", 1),
        ("population", 1),
        ("median_house_value", 1),
    }


def test_too_many_broken_rows_stop_the_run_with_the_first_of_them(
    sample: pd.DataFrame, tmp_path: Path, store: Store
) -> None:
    sample.loc[:20, "total_rooms"] = "many"
    sample.to_csv(tmp_path / "rows.csv", index=False)

    with pytest.raises(ContractError, match=r"21 of 200 rows.*row 0, total_rooms: 'many'"):
        ingested(tmp_path / "rows.csv", store)


def test_a_line_that_is_no_row_is_set_aside_with_its_number(
    sample: pd.DataFrame, tmp_path: Path, store: Store
) -> None:
    lines = sample.to_csv(index=False).splitlines()
    lines[5] += ",1"
    (tmp_path / "rows.csv").write_text("\n".join(lines))

    result = ingested(tmp_path / "rows.csv", store)

    assert result.data.rows == len(sample) - 1
    assert result.quarantine is not None
    (fault,) = store.get_frame(result.quarantine).to_dict("records")
    assert fault["source_row"] == 4
    assert "line 6 has 11 values" in fault["reasons"]


def test_a_repeated_block_group_counts_once(
    sample: pd.DataFrame, tmp_path: Path, store: Store
) -> None:
    repeated = pd.concat([sample, sample.head(5).assign(median_house_value=1.0)])
    repeated.to_csv(tmp_path / "rows.csv", index=False)

    result = ingested(tmp_path / "rows.csv", store)

    assert (result.data.rows, result.repeated_rows) == (len(sample), 5)
    first = store.get_frame(result.data).drop_duplicates(list(IDENTITY))
    assert (first["median_house_value"] > 1).all()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rows.csv", b"", "empty"),
        ("rows.csv", b"longitude,latitude\n1,2\n", "missing columns housing_median_age"),
        ("rows.csv", b'"unclosed', "table|column"),
        ("rows.parquet", b"PAR1 and no more", "cannot be read as a table"),
        ("rows.tgz", b"no archive", "truncated or damaged"),
        ("rows.tgz", archive(a_csv=b"a" * 10_000)[:60], "truncated or damaged"),
        ("rows.tgz", gzip.compress(b"x" * 600)[:-8], "truncated or damaged"),
        ("rows.tgz", archive(readme=b"text"), "holds 0 tables"),
        ("rows.tgz", archive(a_csv=b"a", b_csv=b"b"), "holds 2 tables"),
        ("rows.ods", b"sheet", r"need to be \.csv, \.parquet or \.xlsx"),
        ("rows.zip", b"no archive", "truncated or damaged"),
        ("rows.zip", zipped(readme=b"text"), "holds 0 tables"),
        ("rows.zip", zipped(a_csv=b"a", b_csv=b"b"), "holds 2 tables"),
        ("rows.csv.gz", b"no archive", "cannot be read as a table"),
    ],
    # An archive holds the second it was made in: as a name, it would differ between test processes.
    ids=[
        "empty",
        "columns missing",
        "quote unclosed",
        "no parquet",
        "no archive",
        "archive cut short",
        "checksum cut off",
        "archive without a table",
        "archive with two tables",
        "another ending",
        "no zip",
        "zip without a table",
        "zip with two tables",
        "no gzip",
    ],
)
def test_a_broken_file_stops_with_one_message_and_leaves_earlier_results(
    name: str, content: bytes, message: str, tmp_path: Path, store: Store, sample: pd.DataFrame
) -> None:
    earlier = store.put_frame(sample.astype({"total_rooms": float}))
    (tmp_path / name).write_bytes(content)

    with pytest.raises((SourceError, ContractError), match=message) as error:
        ingested(tmp_path / name, store)

    assert name in str(error.value)
    assert store.holds(earlier)


def test_a_table_without_rows_is_refused(
    housing_frame: pd.DataFrame, tmp_path: Path, store: Store
) -> None:
    housing_frame.head(0).to_csv(tmp_path / "rows.csv", index=False)

    with pytest.raises(ContractError, match="no rows"):
        ingested(tmp_path / "rows.csv", store)


def test_a_wrong_digest_stops_before_anything_is_read(housing_archive: Path, store: Store) -> None:
    with pytest.raises(SourceError, match=r"SHA-256.*expected"):
        ingest(DataConfig(), str(housing_archive), "0" * 64, store)


@pytest.mark.parametrize("address", ["nowhere.csv", "file:///nowhere/rows.csv", "ftp://host/a.csv"])
def test_an_address_that_leads_nowhere_is_named(address: str) -> None:
    with pytest.raises(SourceError, match=address.rpartition("/")[2]):
        read_source(address, None)


def test_a_link_in_an_archive_is_no_table() -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        member = tarfile.TarInfo("rows.csv")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(member)

    from housing_ml.data.table_file import read_table  # noqa: PLC0415

    with pytest.raises(SourceError, match="holds 0 tables"):
        read_table("rows.tgz", buffer.getvalue())


def test_the_synthetic_sample_is_plausible_tagged_and_the_same_each_time(store: Store) -> None:
    result = ingest_synthetic(DataConfig(), store)

    frame = store.get_frame(result.data)
    assert result.synthetic
    assert result.quarantine is None
    assert result.data.rows == 20_640
    assert frame["total_bedrooms"].isna().mean() == pytest.approx(0.01, abs=0.003)
    assert frame["median_house_value"].max() == 500_001
    assert frame["ocean_proximity"].nunique() == 5
    assert ingest_synthetic(DataConfig(), store) == result
