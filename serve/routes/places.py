"""What the map shows: training rows, the errors on the holdout, and what was priced last."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from litestar import Request, Response, Router, get

from housing_ml.data.contract import COLUMNS
from housing_ml.features.geography import KILOMETRES_PER_DEGREE, Floats
from housing_ml.features.neighbours import COUNT
from housing_ml.releases.holdout_errors import HoldoutErrors, errors_name
from housing_ml.storage.errors import ReleaseError
from serve.api.access import caller
from serve.api.compression import as_json
from serve.api.problems import no_model, unavailable

if TYPE_CHECKING:
    from housing_ml.bundle.model import Bundle
    from housing_ml.storage.versioned import ReleaseStorage
    from serve.api.access import Access
    from serve.models.model_store import ModelStore
    from serve.models.recent import Recent

MAX_PLACES = 4000
"""Training rows on the map: enough to see where people live, few enough to arrive at once."""

_HOUSEHOLDS = 400.0
"""Of the typical block group whose interval is shown at each place."""

_BEDROOMS_PER_ROOM = 0.2
_NEAREST = 0.05
"""Kilometres: rows that share one place are as crowded as if they were so far apart."""

_CODE = 1.0
"""Category of the typical block group: the width of its interval hardly depends on it."""


_NO_ERRORS = msgspec.json.encode(HoldoutErrors([], [], [], [], []))


class Places(msgspec.Struct, frozen=True):
    """Some training rows by column, each of the same length."""

    longitude: list[float]
    latitude: list[float]
    price: list[int]
    median_income: list[float]
    housing_median_age: list[float]
    rooms_per_household: list[float]
    persons_per_household: list[float]
    interval_width: list[int]
    """Dollars from the lower to the upper bound, for a block group like the row."""
    training_rows: list[float]
    """Training rows in a square kilometre, from those nearest."""


class RecentPrices(msgspec.Struct, frozen=True):
    """What the caller was told last by this process, by column."""

    longitude: list[float]
    latitude: list[float]
    price: list[int]


def places(bundle: Bundle) -> Places:
    """Return at most `MAX_PLACES` of the rows that the bundle's neighbour statistics hold."""
    neighbours = bundle.features.neighbours_
    count = len(neighbours.places)
    rows = np.linspace(0, count - 1, min(count, MAX_PLACES)).astype(np.intp)
    degrees, attributes = neighbours.places[rows] / KILOMETRES_PER_DEGREE, neighbours.values[2:6]
    reach = neighbours.nearest(neighbours.places[rows], COUNT).distance[:, -1]
    crowd = min(COUNT, count) / (np.pi * np.maximum(reach, _NEAREST) ** 2)
    _, lower, upper = bundle.predict_matrix(_typical(degrees, attributes[:, rows]))
    income, age, rooms_per_household, persons_per_household = attributes[:, rows]
    return Places(
        longitude=_rounded(degrees[:, 0], 3),
        latitude=_rounded(degrees[:, 1], 3),
        price=_whole(neighbours.values[0, rows]),
        median_income=_rounded(np.exp(income), 2),
        housing_median_age=_rounded(age, 0),
        rooms_per_household=_rounded(np.exp(rooms_per_household), 1),
        persons_per_household=_rounded(np.exp(persons_per_household), 1),
        interval_width=_whole(upper - lower),
        training_rows=_rounded(crowd, 3),
    )


def _typical(degrees: Floats, attributes: Floats) -> Floats:
    """Return raw rows (n, 9) of as many households at each place, (n, 2)."""
    income, age, rooms, persons = attributes
    count = len(degrees)
    columns = {
        "longitude": degrees[:, 0],
        "latitude": degrees[:, 1],
        "housing_median_age": age,
        "total_rooms": np.exp(rooms) * _HOUSEHOLDS,
        "total_bedrooms": np.exp(rooms) * _HOUSEHOLDS * _BEDROOMS_PER_ROOM,
        "population": np.exp(persons) * _HOUSEHOLDS,
        "households": np.full(count, _HOUSEHOLDS),
        "median_income": np.exp(income),
        "ocean_proximity": np.full(count, _CODE),
    }
    return np.column_stack([columns[name] for name in COLUMNS])


def router(store: ModelStore, storage: ReleaseStorage, recent: Recent, access: Access) -> Router:
    """Return the map's data below `/places`, as open as the API."""
    drawn: dict[str, bytes] = {}  # by the bundle's digest: at most one, and no bundle is kept

    async def admit(request: Request[Any, Any, Any]) -> None:
        await access(request)

    def current() -> tuple[str, Bundle]:
        if store.current is None:
            raise no_model()
        return store.current.release.bundle, store.current.bundle

    @get("/", sync_to_thread=True)
    def training_rows(request: Request[Any, Any, Any]) -> Response[bytes]:
        """Return training rows of the model that answers; worked out once for each model."""
        digest, bundle = current()
        content = drawn.get(digest)
        if content is None:
            content = msgspec.json.encode(places(bundle))
            drawn.clear()
            drawn[digest] = content
        return as_json(request, content)

    @get("/errors", sync_to_thread=True)
    def holdout(request: Request[Any, Any, Any]) -> Response[bytes]:
        """Return what the model's holdout cost and what was predicted, by place.

        A release of a version that published none has no rows.
        """
        digest, _ = current()
        try:
            found = storage.read(errors_name(digest))
        except (OSError, ReleaseError):
            raise unavailable("The release storage cannot be read now.") from None
        return as_json(request, found.content if found else _NO_ERRORS)

    @get("/recent", sync_to_thread=False)
    def priced_last(request: Request[Any, Any, Any]) -> RecentPrices:
        """Return the caller's latest prices."""
        rows = np.array(recent.of(caller(request.scope))).reshape(-1, 3)
        longitude, latitude, price = rows.T
        return RecentPrices(_rounded(longitude, 3), _rounded(latitude, 3), _whole(price))

    return Router(
        "/places",
        route_handlers=[training_rows, holdout, priced_last],
        before_request=admit,
        include_in_schema=False,
    )


def _rounded(values: Floats, digits: int) -> list[float]:
    rounded: list[float] = values.round(digits).tolist()
    return rounded


def _whole(values: Floats) -> list[int]:
    whole: list[int] = values.round().astype(np.int64).tolist()
    return whole
