"""CSV text is read as a spreadsheet would, and written again byte for byte."""

from __future__ import annotations

import csv
import io
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from housing_ml.data.contract import COLUMNS, ContractError
from housing_ml.data.csv_table import CsvReader, priced_rows
from housing_ml.data.table_file import read_table

cells = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)


def read(text: bytes, chunk_bytes: int = 64) -> list[Any]:
    return list(CsvReader(io.BytesIO(text).read, chunk_bytes).chunks())


@given(st.lists(st.tuples(cells, cells), max_size=20), st.sampled_from(["\n", "\r\n", "\r"]))
def test_any_text_comes_out_as_it_went_in(rows: list[tuple[str, str]], line_end: str) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator=line_end, quoting=csv.QUOTE_ALL)
    writer.writerow(["number", "one", "two"])
    writer.writerows((str(index), *row) for index, row in enumerate(rows))
    reader = CsvReader(io.BytesIO(text.getvalue().encode()).read, 400)

    parts = []
    for chunk in reader.chunks():
        prices = pa.array([1.5] * len(chunk.raw))
        parts.append(priced_rows(reader, chunk.raw, ["price"], [prices]).decode())

    found = [row for part in parts for row in list(csv.reader(io.StringIO(part, newline="")))[1:]]
    assert found == [[str(index), *row, "1.5"] for index, row in enumerate(rows)]


@given(st.lists(st.text('ab,"\n\r', max_size=30), max_size=10), st.integers(20, 200))
def test_any_bytes_are_read_to_the_end_in_chunks_of_any_size(texts: list[str], size: int) -> None:
    text = "\n".join(["one,two", *texts, "last,row"]).encode()

    chunks = read(text, size)

    assert sum(len(chunk.raw) for chunk in chunks) <= text.count(b"\n") + text.count(b"\r")
    for chunk in chunks:
        assert chunk.texts.num_rows == len(chunk.raw) == len(chunk.lines)


def test_what_fills_a_chunk_to_the_last_byte_is_read_on() -> None:
    text = (
        b'one,two\n","a\raab,ba\r\n\n\ra\n,b\n""a\ra"\r\n\n,\r\n,\raa,b,""b\rb"\r"ba\n\rbb\n\rb\ra'
        b'\n\r\r\n\naab",a","\rb"\nlast,row'
    )

    rows = [row for chunk in read(text, 27) for row in chunk.raw]

    assert rows[-1] == b"last,row"


def test_a_quote_that_is_not_closed_costs_one_line() -> None:
    chunks = read(b'a,b\n1,"open\n3,4\n5,6\n' + b"7,8\n" * 20, 30)

    faults = [fault for chunk in chunks for fault in chunk.faults]
    assert [(fault.line, fault.text) for fault in faults] == [(2, '1,"open')]
    assert sum(len(chunk.raw) for chunk in chunks) == 22


def test_a_field_of_any_length_is_text() -> None:
    outline = "-122.2 37.8," * 20_000

    (chunk,) = read(f'id,"the "outline"\n1,"{outline}"\n'.encode(), 2**20)

    assert chunk.texts.column(1).to_pylist() == [outline]


def test_prices_with_decimal_commas_are_quoted_where_commas_separate_the_columns() -> None:
    reader = CsvReader(io.BytesIO(b'longitude,id\n"-122,23",1\n').read)

    text = priced_rows(reader, next(reader.chunks()).raw, ["price"], [pa.array([1.5])])

    assert text == b'longitude,id,price\n"-122,23",1,"1,5"\n'


def test_a_quote_inside_a_field_is_a_character() -> None:
    chunks = read(b'a,b\n1,5" pipe\n2,6" pipe\n', 1000)

    assert chunks[0].texts.column(1).to_pylist() == ['5" pipe', '6" pipe']


VALUES = ("-122.23", "37.88", "41", "880", "129", "322", "126", "8.3252", "NEAR BAY")
ROW = ",".join(VALUES)
HEADER = ",".join(COLUMNS)


@pytest.mark.parametrize(
    ("header", "row", "encoding"),
    [
        (HEADER, ROW, "utf-8-sig"),
        (HEADER, ROW, "utf-16"),
        (HEADER, ROW, "utf-16-le"),
        (HEADER.replace(",", ";"), ROW.replace(",", ";"), "utf-8"),
        (HEADER.replace(",", ";"), ROW.replace(",", ";").replace(".", ","), "utf-8"),
        (HEADER.replace(",", "\t"), ROW.replace(",", "\t"), "utf-8"),
        (HEADER, ROW.replace(",", '","').replace(".", ",").join('""'), "utf-8"),
        (HEADER, ROW, "utf-32"),
        (HEADER.upper(), ROW, "utf-8"),
        (HEADER.replace(",", " , "), ROW, "utf-8"),
        ("," + HEADER, "0," + ROW, "utf-8"),
        (HEADER.title().replace("_", ""), ROW, "utf-8"),
        (HEADER.replace(",", '","').join('""'), ROW.replace(",", '","').join('""'), "utf-8"),
    ],
    ids=[
        *("byte order mark", "UTF-16", "UTF-16 without a mark", "semicolons", "decimal commas"),
        *(
            "tabs",
            "decimal commas in quotes",
            "UTF-32",
            "upper case",
            "padded names",
            "index column",
            "camel case",
            "all quoted",
        ),
    ],
)
def test_a_common_variant_is_read_as_the_same_rows(header: str, row: str, encoding: str) -> None:
    frame = read_table("rows.csv", f"{header}\n{row}\n".encode(encoding))

    assert frame[list(COLUMNS)].iloc[0].astype(str).tolist() == [
        value if value == "NEAR BAY" else str(float(value)) for value in VALUES
    ]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<!DOCTYPE html><html></html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        (b"PK\x03\x04...", "Excel"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "Excel 97"),
        (b"%PDF-1.4", "PDF"),
        (b'[{"longitude": 1}]', "JSON"),
        (b"a,a\n1,2\n", "two columns named a"),
        (b"Longitude,LONGITUDE\n1,2\n", "two columns for longitude"),
    ],
)
def test_what_is_no_such_table_is_named(content: bytes, words: str) -> None:
    with pytest.raises(Exception, match=words) as error:
        read_table("rows.csv", content)
    assert "rows.csv" in str(error.value)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (
            "MedInc,HouseAge,AveRooms,AveBedrms,Population,AveOccup,Latitude,Longitude",
            "scikit-learn",
        ),
        ("-122.23,37.88,41,880,129,322,126,8.3252,452600", "StatLib"),
        (HEADER.rpartition(",")[0], "ocean_proximity can be looked up"),
        ("price,street", "but have price, street"),
        ("sep=;", "Excel's own note"),
    ],
)
def test_missing_columns_show_what_was_found_and_what_to_do(names: str, words: str) -> None:
    from housing_ml.data.checks import check  # noqa: PLC0415 - beside its use

    with pytest.raises(ContractError, match=words):
        check(read_table("rows.csv", f"{names}\n".encode()))
