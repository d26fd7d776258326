"""The page for people: its files, and the places that its map is drawn from."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from litestar import MediaType, Request, Response, Router, get

from housing_ml.geography import KILOMETRES_PER_DEGREE
from serve.problems import ProblemError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from housing_ml.bundle import Bundle
    from serve.access import Access
    from serve.model_store import LoadedModel, ModelStore

MAX_PLACES = 4000
"""Training rows on the map: enough to see the coast, few enough to arrive at once."""

_FOLDER = Path(__file__).parents[1] / "pages"
_ASSETS = {
    "house.css": MediaType.CSS,
    "icon.svg": "image/svg+xml",
    **dict.fromkeys(
        ("api.js", "batch.js", "form.js", "house.js", "map.js", "result.js", "whatif.js"),
        "text/javascript",
    ),
}


class Places(msgspec.Struct, frozen=True):
    """Some training rows by column, each of the same length."""

    longitude: list[float]
    latitude: list[float]
    price: list[int]
    median_income: list[float]
    housing_median_age: list[float]
    rooms_per_household: list[float]
    persons_per_household: list[float]


def places(bundle: Bundle) -> Places:
    """Return at most `MAX_PLACES` of the rows that the bundle's neighbour statistics hold."""
    neighbours = bundle.features.neighbours_
    count = len(neighbours.places)
    rows = np.linspace(0, count - 1, min(count, MAX_PLACES)).astype(np.intp)
    longitude, latitude = (neighbours.places[rows] / KILOMETRES_PER_DEGREE).T
    price, _, income, age, rooms, persons = neighbours.values[:, rows]
    return Places(
        longitude=_rounded(longitude, 3),
        latitude=_rounded(latitude, 3),
        price=price.round().astype(np.int64).tolist(),
        median_income=_rounded(np.exp(income), 2),
        housing_median_age=_rounded(age, 0),
        rooms_per_household=_rounded(np.exp(rooms), 1),
        persons_per_household=_rounded(np.exp(persons), 1),
    )


def router(store: ModelStore, access: Access) -> Router:
    """Return `/`, its files, and `/places`, which is as open as the API."""
    drawn: dict[str, tuple[LoadedModel, bytes]] = {}

    @get("/", media_type=MediaType.HTML, sync_to_thread=False)
    def index() -> bytes:
        """Return the page."""
        return (_FOLDER / "house.html").read_bytes()

    @get("/assets/{name:str}", sync_to_thread=False)
    def asset(name: str) -> Response[bytes]:
        """Return one of the page's files."""
        if name not in _ASSETS:
            raise ProblemError(HTTPStatus.NOT_FOUND, "The page has no such file.")
        return Response((_FOLDER / name).read_bytes(), media_type=_ASSETS[name])

    async def admit(request: Request[Any, Any, Any]) -> None:
        await access(request)

    @get("/places", before_request=admit, sync_to_thread=True)
    def training_places() -> Response[bytes]:
        """Return the places of the model that answers now; they are worked out once for each."""
        current = store.current
        if current is None:
            detail = "No model has been loaded yet."
            raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers={"Retry-After": "1"})
        model, content = drawn.get("places", (None, b""))
        if model is not current:
            content = msgspec.json.encode(places(current.bundle))
            drawn["places"] = (current, content)
        return Response(content, media_type=MediaType.JSON)

    return Router("/", route_handlers=[index, asset, training_places], include_in_schema=False)


def _rounded(values: NDArray[np.float64], digits: int) -> list[float]:
    rounded: list[float] = values.round(digits).tolist()
    return rounded
