"""The data contract: one block group, its units and bounds, and the checks that follow from them.

`BlockGroup` is at once the request type of the API, the validation of training data, the OpenAPI
schema and the web form. Everything else here is derived from it, so that a bound is written once.
`values` is its other half: which texts of a table are numbers, and which mean a missing value.

    >>> place = BlockGroup(
    ...     longitude=-122.23, latitude=37.88, housing_median_age=41, total_rooms=880,
    ...     total_bedrooms=129, population=322, households=126, median_income=8.3252,
    ...     ocean_proximity="NEAR BAY",
    ... )
    >>> to_matrix([place]).shape
    (1, 9)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Annotated, Any, Literal, Protocol, TypeAlias, cast, get_args

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from housing_ml.data.lookalikes import hint
from housing_ml.data.values import to_floats
from housing_ml.data.wording import category_rule, number_rule
from housing_ml.errors import HousingError

Matrix: TypeAlias = NDArray[np.float64]
"""Raw rows, float64 of shape (rows, 9), columns in the order of `COLUMNS`.

A missing value is NaN; the category is its index in `CATEGORIES`, or -1 when it is none of them.
"""

OceanProximity = Literal["<1H OCEAN", "INLAND", "ISLAND", "NEAR BAY", "NEAR OCEAN"]


def _number(unit: str, minimum: float, maximum: float, example: float, description: str) -> Meta:
    return Meta(
        ge=minimum,
        le=maximum,
        description=description,
        examples=[example],
        extra_json_schema={"x-unit": unit},
    )


Longitude = Annotated[
    float, _number("degrees", -124.5, -114.1, -122.23, "Longitude of the block group's centre.")
]
Latitude = Annotated[
    float, _number("degrees", 32.5, 42.05, 37.88, "Latitude of the block group's centre.")
]
Years = Annotated[float, _number("years", 0, 150, 41, "Median age of the houses.")]
Rooms = Annotated[float, _number("rooms", 1, 100_000, 880, "Rooms in all houses together.")]
Bedrooms = Annotated[
    float, _number("rooms", 1, 100_000, 129, "Bedrooms in all houses together; may be missing.")
]
Persons = Annotated[float, _number("persons", 1, 100_000, 322, "People who live here.")]
Households = Annotated[
    float, _number("households", 1, 100_000, 126, "Households: people who share a home.")
]
Income = Annotated[
    float,
    _number(
        "tens of thousands of dollars", 0.1, 100, 8.3252, "Median yearly income of the households."
    ),
]
Price = Annotated[
    float, _number("dollars", 1, 10_000_000, 452_600, "Median value of the owner-occupied houses.")
]


class BlockGroup(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """One census block group of California: the smallest area with published census figures."""

    longitude: Longitude
    latitude: Latitude
    housing_median_age: Years
    total_rooms: Rooms
    total_bedrooms: Bedrooms | None = None
    population: Persons
    households: Households
    median_income: Income
    ocean_proximity: Annotated[
        OceanProximity,
        Meta(description="Where it lies with respect to the ocean.", examples=["NEAR BAY"]),
    ]


COLUMNS: tuple[str, ...] = BlockGroup.__struct_fields__
CATEGORY = "ocean_proximity"
NUMERIC: tuple[str, ...] = tuple(name for name in COLUMNS if name != CATEGORY)
TARGET = "median_house_value"
CATEGORIES: tuple[str, ...] = get_args(OceanProximity)
IDENTITY: tuple[str, ...] = (
    "longitude",
    "latitude",
    "housing_median_age",
    "total_rooms",
    "population",
    "households",
)
"""What makes a row the same row again: its place, and its counts that are never missing."""

PLACE: tuple[str, ...] = ("longitude", "latitude")
"""What a block group keeps when its figures are counted anew; several may share one."""

_CODES: dict[Any, int] = {name: index for index, name in enumerate(CATEGORIES)}
_LONGEST_LIST = 500
"""Characters of the names that an error shows."""

CATEGORY_RULE = category_rule(CATEGORIES)


class ContractError(HousingError, ValueError):
    """Data that break the contract as a whole, such as a missing column."""


class Field(msgspec.Struct, frozen=True):
    """A numeric column's bounds in its unit; `required` is False where a value may be missing."""

    name: str
    minimum: float
    maximum: float
    unit: str
    required: bool

    @property
    def rule(self) -> str:
        """The bounds in words, as errors quote them."""
        return number_rule(self.minimum, self.maximum, self.unit, required=self.required)


class Frame(Protocol):
    """What is needed of a table: a pandas DataFrame, or a mapping of column names to arrays."""

    def __getitem__(self, column: str, /) -> Any: ...
    def __contains__(self, column: object, /) -> bool: ...


RawData: TypeAlias = Frame | Sequence[BlockGroup] | Matrix


def _field(name: str, annotation: Any, *, required: bool) -> Field:
    info = msgspec.inspect.type_info(annotation)
    if isinstance(info, msgspec.inspect.UnionType):
        info = info.types[0]
    described = cast("msgspec.inspect.Metadata", info)
    number = cast("msgspec.inspect.FloatType", described.type)
    return Field(
        name=name,
        minimum=float(cast("float", number.ge)),
        maximum=float(cast("float", number.le)),
        unit=(described.extra_json_schema or {})["x-unit"],
        required=required,
    )


def _fields() -> dict[str, Field]:
    annotations = msgspec.structs.fields(BlockGroup)
    fields = [
        _field(item.name, item.type, required=item.required)
        for item in annotations
        if item.name != CATEGORY
    ]
    return {field.name: field for field in [*fields, _field(TARGET, Price, required=True)]}


FIELDS: dict[str, Field] = _fields()
"""The numeric columns and the target, by name."""


def require_columns(frame: Frame, columns: Sequence[str]) -> None:
    """Raise a ContractError that names every column of `columns` that the frame lacks."""
    missing = [name for name in columns if name not in frame]
    if missing:
        found = [str(name) for name in cast("Iterable[Any]", frame)]
        raise ContractError(
            f"missing column{'s' if len(missing) > 1 else ''} {', '.join(missing)}: "
            f"the data need {', '.join(columns)}, but {_found(found)}{hint(found)}"
        )


def _found(names: Sequence[str]) -> str:
    """Say which columns are there."""
    shown = ", ".join(repr(name) if name != name.strip() or not name else name for name in names)
    if len(shown) > _LONGEST_LIST:
        shown = f"{shown[:_LONGEST_LIST]} ... ({len(names)} columns)"
    return f"have {shown}" if names else "have no columns"


def category_codes(values: Any) -> NDArray[np.float64]:
    """Return each category's index in `CATEGORIES` as float64 (rows,); -1 for any other value."""
    names = np.asarray(values, dtype=object).tolist()
    codes = [_CODES.get(name, -1) if isinstance(name, str) else -1 for name in names]
    return np.array(codes, dtype=np.float64)


def to_matrix(data: RawData) -> Matrix:
    """Return raw rows as a `Matrix`, from a DataFrame, a mapping of arrays, or block groups.

    A matrix of 9 columns passes through as C-contiguous float64. Bounds are not checked here.

    Raises:
        ContractError: when a column is missing or holds text, or the shape is wrong.
    """
    if isinstance(data, np.ndarray):
        if data.ndim != 2 or data.shape[1] != len(COLUMNS):
            raise ContractError(
                f"raw rows have shape {data.shape}, but need (rows, {len(COLUMNS)}): "
                f"the columns {', '.join(COLUMNS)}"
            )
        return np.ascontiguousarray(data, dtype=np.float64)
    if isinstance(data, Sequence):
        return _rows(data)
    require_columns(data, COLUMNS)
    columns = []
    for name in COLUMNS:
        if name == CATEGORY:
            columns.append(category_codes(data[name]))
            continue
        floats, not_numbers = to_floats(data[name])
        if not_numbers.any():
            row = int(np.flatnonzero(not_numbers)[0])
            raise ContractError(f"{name}, row {row}: {FIELDS[name].rule}")
        columns.append(floats)
    return np.ascontiguousarray(np.column_stack(columns))


def _rows(places: Sequence[BlockGroup]) -> Matrix:
    values: list[Any] = list(chain.from_iterable(map(msgspec.structs.astuple, places)))
    categories = slice(COLUMNS.index(CATEGORY), None, len(COLUMNS))
    values[categories] = map(_CODES.__getitem__, values[categories])
    return np.array(values, dtype=np.float64).reshape(-1, len(COLUMNS))  # NumPy reads None as NaN
