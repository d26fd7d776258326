"""Files on the page are read as the project's readers read them, drawn, and stopped."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from playwright.sync_api import Page, expect

from housing_ml.data.contract import COLUMNS
from housing_ml.data.csv_table import CsvReader
from tests.serve.routes.conftest import ready

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.serve.conftest import Models

ROWS = 20


def text(frame: pd.DataFrame, **options: Any) -> bytes:
    return frame.to_csv(index=False, **options).encode()


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def tarred(name: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        item = tarfile.TarInfo(name)
        item.size = len(content)
        archive.addfile(item, io.BytesIO(content))
    return buffer.getvalue()


def zstd(content: bytes) -> bytes:
    return bytes(pa.Codec("zstd").compress(content, asbytes=True))


def parquet(frame: pd.DataFrame, compression: str) -> bytes:
    buffer = io.BytesIO()
    frame.to_parquet(buffer, compression=compression)
    return buffer.getvalue()


def excel(frame: pd.DataFrame) -> bytes:
    """A sheet with shared texts, as Excel writes it; an empty cell is left out."""
    texts = [*frame.columns, *frame["ocean_proximity"].unique()]

    def cell(at: int, value: Any) -> str:
        place = f'r="{"ABCDEFGHI"[at]}1"'
        if isinstance(value, str):
            return f'<c {place} t="s"><v>{texts.index(value)}</v></c>'
        return "" if pd.isna(value) else f"<c {place}><v>{value}</v></c>"

    rows = [list(frame.columns), *frame.to_numpy().tolist()]
    sheet = "".join(f"<row>{''.join(map(cell, range(9), row))}</row>" for row in rows)
    shared = "".join(f"<si><t>{item.replace('<', '&lt;')}</t></si>" for item in texts)
    return zipped(
        {
            "[Content_Types].xml": b"<Types/>",
            "xl/workbook.xml": b'<workbook><sheets><sheet name="a" r:id="r1"/></sheets></workbook>',
            "xl/_rels/workbook.xml.rels": b'<Relationship Id="r1" Target="worksheets/one.xml"/>',
            "xl/sharedStrings.xml": f"<sst>{shared}</sst>".encode(),
            "xl/worksheets/one.xml": f"<sheetData>{sheet}</sheetData>".encode(),
        }
    )


def variants(frame: pd.DataFrame) -> dict[str, bytes]:
    plain = text(frame)
    titles = frame.rename(columns=lambda name: name.title().replace("_", " "))
    return {
        "plain.csv": plain,
        "semicolons.csv.gz": gzip.compress(text(frame, sep=";", decimal=",")),
        "tabs.csv": frame.to_csv(index=False, sep="\t").encode("utf-16"),
        "titles.csv.zst": zstd(text(titles, sep="|", lineterminator="\r\n")),
        "one.zip": zipped({"a/one.csv": plain, "__MACOSX/._one.csv": b"x", "readme.txt": b"x"}),
        "one.tgz": tarred("one.csv", plain),
        "snappy.parquet": parquet(frame, "snappy"),
        "zstd.parquet": parquet(frame.astype({"ocean_proximity": "category"}), "zstd"),
        "brotli.parquet": parquet(frame.astype({"total_rooms": "int64"}), "brotli"),
        "book.xlsx": excel(frame),
    }


def test_every_kind_of_file_is_priced_as_the_library_prices_its_rows(
    visit: Callable[..., Page], models: Models, tmp_path: Path
) -> None:
    frame = models.holdout[list(COLUMNS)].iloc[:ROWS].reset_index(drop=True)
    frame.loc[3, "total_bedrooms"] = None
    expected = models.first.bundle.predict(frame).round(2).tolist()
    at_least = models.first.bundle.at_least(frame).tolist()
    assert len(set(at_least)) == 2
    page = ready(visit())
    for name, content in variants(frame).items():
        (tmp_path / name).write_bytes(content)
        page.get_by_label("CSV file").set_input_files(tmp_path / name)
        expect(page.locator("#progress-text")).to_have_text(f"{ROWS} rows priced, 0 not.")
        with page.expect_download() as started:
            page.get_by_role("link", name="Download the priced file").click()
        semicolons = name.startswith("semi")
        priced = pd.read_csv(
            started.value.path(),
            sep={"semi": ";", "tabs": "\t", "titl": "|"}.get(name[:4], ","),
            decimal="," if semicolons else ".",
        )
        assert priced["predicted_price"].tolist() == pytest.approx(expected, abs=0.006), name
        assert priced["at_least"].tolist() == at_least, name
        page.get_by_label("CSV file").set_input_files([])


BROKEN = (
    b"longitude,latitude,x\r\n"
    b'1,2,"a, ""quoted""\r\nand broken over lines"\n\n'
    b"3,4\n"
    b'5,6,"never closed\n'
    b"7,8,N\xc9AR\n"
    b'"9,1",2,5" wide\n'
    b",,\n"
)


def test_broken_rows_are_those_that_the_library_sets_aside(visit: Callable[..., Page]) -> None:
    page = visit()
    for content in (BROKEN, BROKEN[:-2], BROKEN.replace(b",", b";"), b"\n\nlongitude\n\n1\n"):
        found = page.evaluate(
            """async (bytes) => {
              const { read } = await import("/assets/csv.js");
              return read(Uint8Array.from(bytes), ["longitude", "latitude"]);
            }""",
            list(content),
        )
        reader = CsvReader(io.BytesIO(content).read)
        (chunk,) = reader.chunks()
        assert found["names"] == reader.names
        assert found["delimiter"].encode() == reader.delimiter
        rows = [[row["number"] - 1, row["line"], row["raw"].encode()] for row in found["rows"]]
        numbers, lines = chunk.numbers.tolist(), chunk.lines.tolist()
        assert rows == [list(row) for row in zip(numbers, lines, chunk.raw, strict=True)]
        cells = [row["cells"] for row in found["rows"]]
        assert cells == np.array(chunk.texts.to_pandas(), dtype=object).tolist()
        faults = [(fault["row"] - 1, fault["line"]) for fault in found["faults"]]
        assert faults == [(fault.row, fault.line) for fault in chunk.faults]
        for shown, told in zip(found["faults"], chunk.faults, strict=True):
            assert shown["rule"].partition("?")[0] == told.rule.partition("?")[0]


def test_a_long_file_is_drawn_as_it_is_priced_and_can_be_stopped(
    visit: Callable[..., Page], models: Models, tmp_path: Path
) -> None:
    frame = pd.concat([models.holdout[list(COLUMNS)]] * 25)
    frame.iloc[7, frame.columns.get_loc("median_income")] = -1
    (tmp_path / "long.csv").write_bytes(text(frame))
    page = ready(visit())
    page.get_by_label("CSV file").set_input_files(tmp_path / "long.csv")
    expect(page.get_by_label("Your file")).to_be_checked()
    page.get_by_role("button", name="Stop").click()

    expect(page.locator("#progress-text")).to_contain_text("You stopped it.")
    expect(page.locator("#map-legend")).to_contain_text("$75,000")
    expect(page.locator("#batch-errors")).to_contain_text("median_income")
    with page.expect_download() as started:
        page.get_by_role("link", name="Download all errors").click()
    errors = pd.read_csv(started.value.path())
    assert errors[["row", "column", "line"]].to_numpy().tolist() == [[8, "median_income", 9]]
    with page.expect_download() as started:
        page.get_by_role("link", name="Download the priced file").click()
    priced = pd.read_csv(started.value.path(), usecols=["predicted_price"])["predicted_price"]
    assert len(priced) == len(frame)
    assert 0 < priced.notna().sum() < len(frame)
