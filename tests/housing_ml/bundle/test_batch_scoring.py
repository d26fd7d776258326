"""Files in, priced parts out: all rows, in order, whatever happens on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from housing_ml import progress
from housing_ml.bundle import table_chunks
from housing_ml.bundle.batch_scoring import ScoreError, left_out, score
from housing_ml.bundle.manifest import Provenance
from housing_ml.bundle.table_chunks import read_chunks
from housing_ml.bundle.table_output import PRICES
from housing_ml.config.choices import FeatureParameters
from housing_ml.config.modelling import TrainingConfig
from housing_ml.data.contract import COLUMNS, TARGET, ContractError, to_matrix
from housing_ml.orchestration.dask_cluster import ClusterError
from housing_ml.releases.channels import move_channels, publish_bundle
from housing_ml.releases.records import Release, TrainingData
from housing_ml.storage.versioned import LocalReleases
from tests.once import train_once
from tests.run_page import newest_page

if TYPE_CHECKING:
    from pathlib import Path

    from housing_ml.bundle.model import Bundle


@pytest.fixture(scope="module")
def bundle(housing_frame: pd.DataFrame, pytestconfig: pytest.Config) -> Bundle:
    rows = housing_frame[::20]
    return train_once(
        pytestconfig.cache,
        to_matrix(rows),
        rows[TARGET].to_numpy(),
        FeatureParameters(imputer="median", clusters=0),
        "histogram_gradient_boosting",
        {"max_iter": 10, "learning_rate": 0.1},
        TrainingConfig(folds=2),
        Provenance(data_digest="0" * 64, rows=len(rows), synthetic=False),
    ).bundle


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_chunks, "CHUNK_ROWS", 1000)
    monkeypatch.setattr(table_chunks, "CHUNK_BYTES", 60_000)


def scored(target: Path) -> pd.DataFrame:
    read = {".csv": pd.read_csv, ".parquet": pd.read_parquet}
    parts = sorted(item for item in target.iterdir() if item.suffix in read)
    return pd.concat([read[part.suffix](part) for part in parts], ignore_index=True)


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_every_row_keeps_its_place_and_columns_and_gets_the_bundles_price(
    suffix: str, housing_frame: pd.DataFrame, bundle: Bundle, tmp_path: Path
) -> None:
    rows = housing_frame[:3500].assign(name="a place")
    source, target = tmp_path / f"rows{suffix}", tmp_path / "out"
    rows.to_csv(source, index=False) if suffix == ".csv" else rows.to_parquet(source)

    report = score(str(source), str(target), bundle)

    assert (report.rows, report.rejected, report.resumed) == (3500, 0, 0)
    assert report.parts > 3
    found = scored(target)
    pd.testing.assert_frame_equal(found[list(rows)], rows, check_dtype=False)
    expected = bundle.predict_matrix(to_matrix(rows))
    np.testing.assert_array_equal(found[list(PRICES)], np.column_stack(expected).round(2))
    assert found["at_least"].tolist() == bundle.at_least(rows[[*COLUMNS]]).tolist()
    assert 0 < found["at_least"].sum() < 500


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_rows_that_break_the_contract_are_named_and_have_no_price(
    suffix: str, housing_frame: pd.DataFrame, bundle: Bundle, tmp_path: Path
) -> None:
    rows = housing_frame[:2500].astype({"population": object})
    rows.loc[1234, "households"] = 0
    rows.loc[1234, "ocean_proximity"] = "MOON"
    rows.loc[2345, "population"] = "many"
    rows.loc[7, "total_bedrooms"] = None
    source, target = tmp_path / f"rows{suffix}", tmp_path / "out"
    if suffix == ".csv":
        rows.to_csv(source, index=False)
    else:
        rows.astype({"population": str}).to_parquet(source)

    report = score(str(source), str(target), bundle)

    assert (report.rows, report.rejected) == (2500, 2)
    errors = pd.concat(map(pd.read_csv, sorted((target / "_errors").iterdir())))
    assert errors[["row", "column"]].to_numpy().tolist() == [
        [1234, "households"],
        [1234, "ocean_proximity"],
        [2345, "population"],
    ]
    assert "must be a number from 1 to 100000 persons" in errors["rule"].tolist()
    found = scored(target)
    assert np.flatnonzero(found["predicted_price"].isna()).tolist() == [1234, 2345]


@pytest.mark.usefixtures("small_chunks")
def test_a_run_that_was_stopped_goes_on_where_it_stopped(
    housing_frame: pd.DataFrame, bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target, whole = tmp_path / "rows.parquet", tmp_path / "out", tmp_path / "whole"
    rows = housing_frame[:4500].copy()
    rows.loc[10, "households"] = -1
    rows.to_parquet(source)
    score(str(source), str(whole), bundle)
    predict, calls = bundle.predict_matrix, iter(range(2))

    def stopped(raw: np.ndarray) -> object:
        if next(calls, None) is None:
            raise KeyboardInterrupt
        return predict(raw)

    with monkeypatch.context() as patch:
        patch.setattr(bundle, "predict_matrix", stopped)
        with pytest.raises(KeyboardInterrupt):
            score(str(source), str(target), bundle)
    report = score(str(source), str(target), bundle)

    assert (report.rows, report.rejected, report.parts, report.resumed) == (4500, 1, 5, 2)
    pd.testing.assert_frame_equal(scored(target), scored(whole))


@pytest.mark.usefixtures("small_chunks")
def test_a_broken_line_is_set_aside_with_its_number_and_costs_no_other_row(
    housing_frame: pd.DataFrame, bundle: Bundle, tmp_path: Path
) -> None:
    lines = housing_frame[:3000].assign(note="").to_csv(index=False).encode().split(b"\n")
    lines[100] = b"1,2,3"
    lines[200] += b"\xff"
    lines[300] += b"x" * 400_000
    lines[400] += b"text at last"
    lines[2999] = b'"' + lines[2999]
    (tmp_path / "rows.csv").write_bytes(b"\n".join(lines))

    report = score(str(tmp_path / "rows.csv"), str(tmp_path / "out"), bundle)

    assert (report.rows, report.rejected) == (3000, 4)
    errors = pd.concat(map(pd.read_csv, sorted((tmp_path / "out" / "_errors").iterdir())))
    assert errors["line"].tolist() == [101, 201, 301, 3000]
    assert errors["row"].tolist() == [99, 199, 299, 2998]
    for words, rule in zip(
        ("has 3 values", "no UTF-8", "longer than 60,000 bytes", "quote that is not closed"),
        errors["rule"],
        strict=True,
    ):
        assert words in rule
    kept = housing_frame[:3000].drop(index=errors["row"]).reset_index(drop=True)
    found = scored(tmp_path / "out")
    pd.testing.assert_frame_equal(found[list(kept)], kept, check_dtype=False)
    assert found["predicted_price"].notna().all()


def test_parquet_columns_keep_their_type(
    housing_frame: pd.DataFrame, bundle: Bundle, tmp_path: Path
) -> None:
    rows = housing_frame[:3].assign(
        tract=["060670011011", "00501", None],
        when=pd.to_datetime(["2020-01-01T00:00:00.000000001"] * 3),
        big=np.array([2**63, 1, 2], dtype=np.uint64),
        kind=pd.Categorical(["a", "b", "a"]),
        may=pd.array([1, None, 3], dtype="Int64"),
    )
    rows.to_parquet(tmp_path / "rows.parquet")

    score(str(tmp_path / "rows.parquet"), str(tmp_path / "out"), bundle)

    before = pq.read_schema(tmp_path / "rows.parquet")
    after = pq.read_schema(tmp_path / "out" / "rows-00000.parquet")
    assert [after.field(name) for name in before.names] == list(before)
    pd.testing.assert_frame_equal(scored(tmp_path / "out")[list(rows)], rows)


def test_a_folder_is_priced_file_by_file(
    housing_frame: pd.DataFrame, bundle: Bundle, tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    housing_frame[:100].to_parquet(folder / "b.parquet")
    housing_frame[100:150].to_csv(folder / "a.csv", index=False)
    (folder / "notes.txt").write_text("not a table")

    report = score(str(folder), str(tmp_path / "out"), bundle)

    assert (report.rows, report.parts) == (150, 2)
    names = sorted(item.name for item in (tmp_path / "out").glob("[!_]*"))
    assert names == ["a-00000.csv", "b-00000.parquet"]


def test_a_folder_is_read_with_its_sub_folders_and_compressed_files(
    housing_frame: pd.DataFrame, bundle: Bundle, tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    for name in ("county=LA", "county=SF", "_delta_log"):
        (folder / name).mkdir(parents=True)
    housing_frame[:10].to_parquet(folder / "county=LA" / "part-0.parquet")
    housing_frame[10:30].to_parquet(folder / "county=SF" / "part-0.parquet")
    housing_frame[:1].to_csv(folder / "_delta_log" / "0.csv")
    housing_frame[30:60].to_csv(folder / "B.CSV", index=False)
    housing_frame[60:100].to_csv(folder / "c.csv.gz", index=False)
    (folder / "d.csv.zst").write_bytes(
        pa.compress(housing_frame[100:150].to_csv(index=False).encode(), "zstd", asbytes=True)
    )
    (folder / "notes.txt").write_text("not a table")
    target = folder / "priced"

    report = score(str(folder), str(target), bundle)
    again = score(str(folder), str(target), bundle)

    assert (report.rows, report.parts, again.resumed) == (150, 5, 5)
    assert left_out(str(folder)) == (f"{folder}/notes.txt",)
    partitions = [pd.read_parquet(target / f"county={name}") for name in ("LA", "SF")]
    assert list(map(len, partitions)) == [10, 20]
    assert sorted(item.name for item in target.glob("*.csv")) == [
        *("B-00000.csv", "c-00000.csv", "d-00000.csv")
    ]


def test_an_unusual_table_is_priced_and_told(
    housing_frame: pd.DataFrame, bundle: Bundle, tmp_path: Path
) -> None:
    housing_frame[:10].to_csv(tmp_path / "one.tsv", index=False, sep="\t", decimal=",")

    report = score(str(tmp_path / "one.tsv"), str(tmp_path / "out"), bundle)

    told = "one.tsv: read with tabs between the columns and decimal commas"
    assert report.dialects == (f"{tmp_path}/{told}",)
    priced = pd.read_csv(tmp_path / "out" / "one-00000.tsv", sep="\t", decimal=",")
    expected = bundle.predict_matrix(to_matrix(housing_frame[:10])).price
    np.testing.assert_allclose(priced[PRICES[0]], expected, atol=0.01)


def test_a_table_of_scikit_learn_is_recognised(bundle: Bundle, tmp_path: Path) -> None:
    names = "MedInc,HouseAge,AveRooms,AveBedrms,Population,AveOccup,Latitude,Longitude"
    (tmp_path / "its.csv").write_text(f"{names}\n8.3,41,7,1,322,2.6,37.9,-122.2\n")

    with pytest.raises(ContractError, match=r"have MedInc.*This is scikit-learn's") as error:
        score(str(tmp_path / "its.csv"), str(tmp_path / "out"), bundle)
    assert "longitude" not in str(error.value).partition(":")[0]


def test_a_target_of_another_job_is_left_alone(
    housing_frame: pd.DataFrame, bundle: Bundle, tmp_path: Path
) -> None:
    housing_frame[:10].to_parquet(tmp_path / "one.parquet")
    housing_frame[:20].to_parquet(tmp_path / "two.parquet")
    score(str(tmp_path / "one.parquet"), str(tmp_path / "out"), bundle)

    with pytest.raises(ScoreError, match="another source or model: name a new folder"):
        score(str(tmp_path / "two.parquet"), str(tmp_path / "out"), bundle)
    with pytest.raises(ScoreError, match="holds other files"):
        score(str(tmp_path / "two.parquet"), str(tmp_path), bundle)
    assert len(scored(tmp_path / "out")) == 10


def test_a_source_that_cannot_be_used_is_one_clear_error(
    housing_frame: pd.DataFrame, bundle: Bundle, tmp_path: Path
) -> None:
    housing_frame[:5].drop(columns="households").to_parquet(tmp_path / "short.parquet")
    housing_frame[:5].assign(lower=1).to_parquet(tmp_path / "twice.parquet")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 and no more")
    (tmp_path / "empty.csv").write_bytes(b"")

    def scoring(name: str) -> None:
        score(str(tmp_path / name), str(tmp_path / f"out-{name}"), bundle)

    with pytest.raises(ContractError, match=r"short\.parquet: missing column households"):
        scoring("short.parquet")
    with pytest.raises(ContractError, match="column lower is there twice, or is a result's"):
        scoring("twice.parquet")
    for name in ("broken.parquet", "empty.csv"):
        with pytest.raises(ScoreError, match=f"{name}: cannot be scored"):
            scoring(name)
    with pytest.raises(ScoreError, match="file, or a folder of them"):
        scoring("nowhere.csv")
    with pytest.raises(ScoreError, match="no path and no gs:// address"):
        score("ftp://host/rows.csv", str(tmp_path / "out"), bundle)


def test_a_large_file_is_read_in_constant_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_chunks, "CHUNK_ROWS", 10_000)
    values = np.random.default_rng(0).random(10_000)
    rows = pa.table(dict.fromkeys(COLUMNS[:-1], values))
    with pq.ParquetWriter(tmp_path / "rows.parquet", rows.schema) as writer:
        for _ in range(50):
            writer.write_table(rows)

    held = [pa.total_allocated_bytes() for _ in read_chunks(str(tmp_path / "rows.parquet"))]

    assert len(held) == 50
    assert max(held) < 2 * held[1]


@pytest.fixture
def published(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefect_server: str
) -> None:
    """A home folder whose champion is the bundle."""
    assert prefect_server
    monkeypatch.setenv("HOUSING_HOME", str(tmp_path / "home"))
    releases = LocalReleases(tmp_path / "home" / "storage" / "releases")
    publish_bundle(releases, bundle.digest, bundle.files())
    release = Release(
        version="1",
        bundle=bundle.digest,
        model="histogram_gradient_boosting",
        metrics={},
        data=TrainingData(digest="0" * 64, rows=1, synthetic=False),
        promoted_at="",
        promoted_by="",
        reason="",
    )
    move_channels(releases, lambda _: {"champion": release}, if_generation=0)


@pytest.mark.usefixtures("published")
def test_the_flow_prices_with_the_model_of_the_channel(
    housing_frame: pd.DataFrame, bundle: Bundle, tmp_path: Path
) -> None:
    from flows.score import run_score  # noqa: PLC0415 - imports Prefect

    housing_frame[:300].to_parquet(tmp_path / "rows.parquet")

    report = run_score(str(tmp_path / "rows.parquet"), str(tmp_path / "out"))

    assert (report.rows, report.rejected) == (300, 0)
    expected = bundle.predict(housing_frame[:300]).round(2)
    np.testing.assert_array_equal(scored(tmp_path / "out")["predicted_price"], expected)
    _, page = newest_page()
    said = "300 of 300 rows were priced by housing-price 1; none was set aside."
    assert page[0] == f"**{said}**"
    assert page[1].startswith(f"![{said}](data:image/png;base64,")


@pytest.mark.usefixtures("published")
def test_the_workers_of_a_dask_cluster_share_the_files(
    housing_frame: pd.DataFrame, bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    distributed = pytest.importorskip("distributed", reason="the extra `dask` is not installed")
    from flows.score import run_score  # noqa: PLC0415 - imports Prefect

    (tmp_path / "in").mkdir()
    for number in range(3):
        part = housing_frame[100 * number : 100 * number + 100]
        part.to_parquet(tmp_path / "in" / f"{number}.parquet")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None
    ) as dask:
        monkeypatch.setenv("HOUSING_DASK_SCHEDULER", dask.scheduler_address)
        report = run_score(str(tmp_path / "in"), str(tmp_path / "out"))

        with distributed.Client(dask) as client:
            keys = client.run(_executed)
    assert (report.rows, report.parts, report.resumed) == (300, 3, 0)
    assert len(set().union(*keys.values())) == 3
    expected = bundle.predict(housing_frame[:300]).round(2)
    np.testing.assert_array_equal(scored(tmp_path / "out")["predicted_price"], expected)


@pytest.mark.usefixtures("published")
def test_an_address_without_a_scheduler_is_told(
    housing_frame: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dask = pytest.importorskip("dask", reason="the extra `dask` is not installed")
    from flows.score import run_score  # noqa: PLC0415 - imports Prefect

    housing_frame[:300].to_parquet(tmp_path / "rows.parquet")
    monkeypatch.setenv("HOUSING_DASK_SCHEDULER", "tcp://127.0.0.1:9")

    with (
        dask.config.set({"distributed.comm.timeouts.connect": 1}),
        pytest.raises(ClusterError, match=r"HOUSING_DASK_SCHEDULER: .* tcp://127\.0\.0\.1:9"),
    ):
        run_score(str(tmp_path / "rows.parquet"), str(tmp_path / "out"))


def _executed(dask_worker: Any) -> set[str]:
    """The tasks that a worker of Dask has begun."""
    return {event[0] for event in dask_worker.state.log if "executing" in event[1:4]}


@pytest.mark.usefixtures("small_chunks")
def test_who_watches_sees_every_row_of_every_kind_of_file_go_by(
    housing_frame: pd.DataFrame, bundle: Bundle, tmp_path: Path
) -> None:
    source, rows = tmp_path / "rows", housing_frame[:1500]
    source.mkdir()
    rows.to_csv(source / "a.csv", index=False)
    rows.to_csv(source / "b.csv.gz", index=False)
    rows.to_parquet(source / "c.parquet")

    with progress.watched() as standing:
        progress.stage("score")
        score(str(source), str(tmp_path / "out"), bundle)

    assert standing.rows == 4500
    assert standing.share == 1
    assert standing.first is not None
    assert standing.first[0] == "file"
