"""Tensors of the Open Inference Protocol, version 2, with its extension for binary data.

Source: the protocol's specification, "Predict Protocol - Version 2" of KServe, and Triton's
"Binary Tensor Data Extension": the JSON part's length stands in a header, and the data of the
inputs follow it in their order, little-endian; a text is its length in 4 bytes and its bytes.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import msgspec
import numpy as np

from housing_ml.data.contract import CATEGORY, COLUMNS, NUMERIC
from serve.api.problems import ProblemError

if TYPE_CHECKING:
    from collections.abc import Sequence

LENGTH_HEADER = "inference-header-content-length"
TEXT = "BYTES"
NUMBERS: dict[str, np.dtype[Any]] = {
    "FP64": np.dtype("<f8"),
    "FP32": np.dtype("<f4"),
    "INT64": np.dtype("<i8"),
    "INT32": np.dtype("<i4"),
    "INT16": np.dtype("<i2"),
}
_OTHERS = {CATEGORY: TEXT, "prediction_id": TEXT, "at_least": "BOOL"}
_OPTIONAL = "total_bedrooms"
Values: TypeAlias = list[float | str | None]


class Tensor(msgspec.Struct, frozen=True, omit_defaults=True):
    """One input or output: a column of block groups."""

    name: str
    datatype: str
    shape: list[Annotated[int, msgspec.Meta(ge=0)]]
    data: list[Any] | None = None
    parameters: dict[str, Any] = {}


class WantedOutput(msgspec.Struct, frozen=True):
    """An output that is asked for."""

    name: str


class InferenceRequest(msgspec.Struct, frozen=True):
    """The JSON part of a request."""

    inputs: list[Tensor]
    id: str = ""
    outputs: list[WantedOutput] = []


_decoder = msgspec.json.Decoder(InferenceRequest)


def decode(body: bytes, json_length: str | None) -> tuple[InferenceRequest, dict[str, Values]]:
    """Return a request and its columns by name, each with as many values.

    Raises:
        ProblemError: 400 when it is no such request, with what to send instead.
    """
    if json_length is not None and not json_length.isdecimal():
        raise _refusal(f"the header {LENGTH_HEADER} must be the JSON part's length in bytes")
    length = len(body) if json_length is None else int(json_length)
    try:
        asked = _decoder.decode(body[:length])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _refusal(str(error)) from None
    columns, rest = dict[str, Values](), body[length:]
    for tensor in asked.inputs:
        if tensor.name in columns:
            raise _refusal(f"input {tensor.name} is given twice")
        columns[tensor.name], rest = _values(tensor, rest)
    if rest:
        raise _refusal(f"{len(rest)} bytes follow the data of the last input")
    _require_columns(columns)
    return asked, columns


def _require_columns(columns: dict[str, Values]) -> None:
    missing = [name for name in COLUMNS if name not in columns and name != _OPTIONAL]
    unknown = [name for name in columns if name not in COLUMNS]
    if missing or unknown:
        faults = [
            *(f"{name} is missing" for name in missing),
            *(f"{n} is unknown" for n in unknown),
        ]
        raise _refusal(f"the inputs are {', '.join(COLUMNS)}: {', '.join(faults)}")
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) != 1:
        raise _refusal(f"the inputs have different lengths: {lengths}")


def _values(tensor: Tensor, rest: bytes) -> tuple[Values, bytes]:
    """Return a tensor's values, and the binary data after them."""
    is_text = tensor.name == CATEGORY
    if is_text != (tensor.datatype == TEXT) or not (is_text or tensor.datatype in NUMBERS):
        wanted = TEXT if is_text else " or ".join(NUMBERS)
        raise _refusal(f"input {tensor.name} must be {wanted}, not {tensor.datatype}")
    count = int(np.prod(tensor.shape, dtype=np.int64)) if tensor.shape else 0
    if len(tensor.shape) not in {1, 2} or tensor.shape[1:] not in ([], [1]):
        raise _refusal(f"input {tensor.name} must have the shape [rows] or [rows, 1]")
    size = tensor.parameters.get("binary_data_size")
    if size is None:
        values: Values = [_flat(value) for value in tensor.data or []]
    else:
        if not isinstance(size, int) or not 0 <= size <= len(rest):
            raise _refusal(f"the binary data of input {tensor.name} are not there")
        raw, rest = rest[:size], rest[size:]
        values = _texts(tensor.name, raw) if is_text else _numbers(tensor, raw)
    if len(values) != count:
        raise _refusal(f"input {tensor.name} has {len(values)} values, its shape says {count}")
    return values, rest


def _flat(value: Any) -> Any:
    """Return a value of data that may be nested as its shape is."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _numbers(tensor: Tensor, raw: bytes) -> Values:
    dtype = NUMBERS[tensor.datatype]
    if len(raw) % dtype.itemsize:
        raise _refusal(f"the binary data of input {tensor.name} end in the middle of a value")
    found: Values = np.frombuffer(raw, dtype).astype(np.float64).tolist()
    return found


def _texts(name: str, raw: bytes) -> Values:
    found: Values = []
    at = 0
    while at < len(raw):
        end = at + 4 + int.from_bytes(raw[at : at + 4], "little")
        if end > len(raw):
            raise _refusal(f"the binary data of input {name} end in the middle of a text")
        found.append(raw[at + 4 : end].decode("utf-8", "replace"))
        at = end
    return found


def as_instances(columns: dict[str, Values]) -> bytes:
    """Return the columns as the JSON body of `/api/v1/predict`; NaN is missing."""
    names = list(columns)
    rows = zip(*columns.values(), strict=True)
    return msgspec.json.encode({"instances": [dict(zip(names, row, strict=True)) for row in rows]})


def metadata(names: Sequence[str]) -> list[dict[str, Any]]:
    """Return how the protocol describes columns: those of `_OTHERS` are no numbers."""
    return [{"name": name, "datatype": _OTHERS.get(name, "FP64"), "shape": [-1]} for name in names]


INPUTS = metadata([*NUMERIC, CATEGORY])


def _refusal(detail: str) -> ProblemError:
    return ProblemError(HTTPStatus.BAD_REQUEST, f"{detail[0].upper()}{detail[1:]}.")
