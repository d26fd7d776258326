"""The Open Inference Protocol as a client of its own speaks it, and what its edges answer."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from housing_ml.data.contract import CATEGORY, COLUMNS, NUMERIC
from serve.api.problems import ProblemError
from serve.api.tensors import as_instances, decode

if TYPE_CHECKING:
    from tests.serve.conftest import Service

CLIENT = """
import json, sys
import numpy as np
import tritonclient.http as triton

host, binary, rows = sys.argv[1], sys.argv[2] == "binary", json.loads(sys.argv[3])
client = triton.InferenceServerClient(host)
assert client.is_server_live() and client.is_server_ready()
assert client.is_model_ready("housing-price") and not client.is_model_ready("another")
described = client.get_model_metadata("housing-price")
inputs = []
for column in described["inputs"]:
    text = column["datatype"] == "BYTES"
    values = np.array([row[column["name"]] for row in rows], dtype=object if text else float)
    item = triton.InferInput(column["name"], [len(rows)], column["datatype"])
    item.set_data_from_numpy(values, binary_data=binary)
    inputs.append(item)
found = client.infer("housing-price", inputs, model_version=described["versions"][0])
try:
    client.infer("housing-price", inputs[1:])
except triton.InferenceServerException as error:
    refused = error.message()
columns = {name: found.as_numpy(name).tolist() for name in ("predicted_price", "at_least")}
print(json.dumps(columns | {"refused": refused}))
"""


@pytest.mark.parametrize("binary", ["binary", "json"])
def test_tritons_client_gets_the_prices_of_the_api(
    service: Service, instances: list[dict[str, Any]], binary: str
) -> None:
    rows = [row for row in instances[:60] if row["total_bedrooms"] is not None]
    host = service.url.removeprefix("http://")
    done = subprocess.run(
        [sys.executable, "-c", CLIENT, host, binary, json.dumps(rows)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    answer = service.predict(rows).json()["predictions"]
    for name in ("predicted_price", "at_least"):
        assert said[name] == [found[name] for found in answer]
    assert len(set(said["at_least"])) == 2
    assert "longitude is missing" in said["refused"]


def tensors(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "datatype": "BYTES" if name == CATEGORY else "FP64",
            "shape": [len(rows), 1],
            "data": [[row[name]] for row in rows],
        }
        for name in COLUMNS
    ]


def test_nested_data_a_missing_value_and_chosen_outputs_are_understood(
    service: Service, instances: list[dict[str, Any]]
) -> None:
    rows = [instances[0] | {"total_bedrooms": None}, instances[1]]
    asked = {"id": "7", "inputs": tensors(rows), "outputs": [{"name": "upper"}]}

    answer = service.client.post("/v2/models/housing-price/infer", json=asked).json()

    expected = service.predict(rows).json()["predictions"]
    assert answer["id"] == "7"
    assert [output["name"] for output in answer["outputs"]] == ["upper"]
    upper = [found["prediction_interval"]["upper"] for found in expected]
    assert answer["outputs"][0]["data"] == upper


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": "income"}, "median_income is missing"),
        ({"datatype": "BOOL"}, "must be FP64"),
        ({"shape": [3]}, "has 1 values, its shape says 3"),
        ({"shape": [1, 2]}, "the shape [rows]"),
        ({"data": [-3.0]}, "instances[0].median_income: must be"),
        ({"data": ["much"]}, "instances[0].median_income"),
        ({"parameters": {"binary_data_size": 8}, "data": None}, "are not there"),
    ],
)
def test_a_fault_is_named_in_the_protocols_shape(
    service: Service, instances: list[dict[str, Any]], change: dict[str, Any], said: str
) -> None:
    inputs = tensors(instances[:1])
    income = next(item for item in inputs if item["name"] == "median_income")
    income.update(change)

    answer = service.client.post("/v2/models/housing-price/infer", json={"inputs": inputs})

    assert answer.status_code == 400
    assert said in answer.json()["error"]


@pytest.mark.parametrize(
    "path", ["models/another", "models/housing-price/versions/99", "models/housing-price/nothing"]
)
def test_what_is_not_here_is_said_so(service: Service, path: str) -> None:
    answer = service.client.get(f"/v2/{path}")
    assert answer.status_code == 404


NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


@settings(max_examples=50)
@given(
    rows=st.lists(st.tuples(*[NUMBERS] * len(NUMERIC), st.text()), min_size=1, max_size=5),
)
def test_columns_become_the_rows_that_they_are_made_of(rows: list[tuple[Any, ...]]) -> None:
    given_rows = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
    _, columns = decode(json.dumps({"inputs": tensors(given_rows)}).encode(), None)
    assert json.loads(as_instances(columns)) == {"instances": given_rows}


@settings(max_examples=200)
@given(body=st.binary(max_size=200), length=st.one_of(st.none(), st.text(max_size=5)))
def test_no_bytes_end_in_anything_but_a_refusal(body: bytes, length: str | None) -> None:
    with pytest.raises(ProblemError):
        decode(body, length)
