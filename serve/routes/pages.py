"""The pages for people: their files, the places of the map, and what operators want to see."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from litestar import MediaType, Request, Response, Router, get

from housing_ml.features.geography import KILOMETRES_PER_DEGREE
from housing_ml.releases.channels import history, read_channels, read_release
from housing_ml.releases.records import Channels, Event
from housing_ml.storage.errors import ReleaseError
from serve.api.problems import ProblemError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from housing_ml.bundle.model import Bundle
    from housing_ml.storage.versioned import ReleaseStorage
    from serve.api.access import Access
    from serve.models.model_store import ModelStore

MAX_PLACES = 4000
"""Training rows on the map: enough to see the coast, few enough to arrive at once."""

MAX_EVENTS = 50
"""Latest events of the history that operators are shown."""

_REPORTS = "monitoring/reports"
_FOLDER = Path(__file__).parents[1] / "pages"
_ASSETS = {
    "house.css": MediaType.CSS,
    "icon.svg": "image/svg+xml",
    **dict.fromkeys(
        (
            *("api.js", "batch.js", "form.js", "house.js", "map.js", "result.js", "whatif.js"),
            *("decisions.js", "monitor.js", "operators.js", "tables.js"),
        ),
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


class Operations(msgspec.Struct, frozen=True):
    """What serves, what was decided about models, and what the monitor last found."""

    channels: Channels
    history: list[Event]
    """The latest first."""
    metrics: dict[str, dict[str, float]]
    """What each bundle of the history showed on the holdout, by its digest."""
    monitor: msgspec.Raw
    """The monitor's last report, or null."""


def operations(storage: ReleaseStorage) -> Operations:
    """Read the releases and the monitor's last report.

    Raises:
        ReleaseError: when they cannot be read.
    """
    channels, _ = read_channels(storage)
    reports = [name for name in storage.names(_REPORTS) if name.endswith(".json")]
    last = storage.read(reports[-1]) if reports else None
    events = history(storage)[: -MAX_EVENTS - 1 : -1]
    return Operations(
        channels=channels,
        history=events,
        metrics=_metrics(storage, events),
        monitor=msgspec.Raw(last.content if last else b"null"),
    )


def _metrics(storage: ReleaseStorage, events: list[Event]) -> dict[str, dict[str, float]]:
    models = dict.fromkeys((event.version, event.bundle) for event in events)
    releases = (read_release(storage, version, bundle) for version, bundle in models)
    return {release.bundle: release.metrics for release in releases if release}


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


@get("/", media_type=MediaType.HTML, sync_to_thread=False)
def _house() -> bytes:
    """Return the page for everybody."""
    return (_FOLDER / "house.html").read_bytes()


@get("/operators", media_type=MediaType.HTML, sync_to_thread=False)
def _operators() -> bytes:
    """Return the page for operators."""
    return (_FOLDER / "operators.html").read_bytes()


@get("/assets/{name:str}", sync_to_thread=False)
def _asset(name: str) -> Response[bytes]:
    """Return one of the pages' files."""
    if name not in _ASSETS:
        raise ProblemError(HTTPStatus.NOT_FOUND, "The pages have no such file.")
    return Response((_FOLDER / name).read_bytes(), media_type=_ASSETS[name])


def router(store: ModelStore, storage: ReleaseStorage, access: Access) -> Router:
    """Return `/` and `/operators` with their files, and their data, as open as the API."""
    drawn: dict[str, bytes] = {}  # by the bundle's digest: at most one, and no bundle is kept

    async def admit(request: Request[Any, Any, Any]) -> None:
        await access(request)

    @get("/places", before_request=admit, sync_to_thread=True)
    def training_places() -> Response[bytes]:
        """Return the places of the model that answers now; they are worked out once for each."""
        current = store.current
        if current is None:
            raise _unavailable("No model has been loaded yet.")
        content = drawn.get(current.release.bundle)
        if content is None:
            content = msgspec.json.encode(places(current.bundle))
            drawn.clear()
            drawn[current.release.bundle] = content
        return Response(content, media_type=MediaType.JSON)

    @get("/operations", before_request=admit, sync_to_thread=True)
    def state() -> Response[bytes]:
        """Return what operators want to see; it is read from the release storage at each look."""
        try:
            content = msgspec.json.encode(operations(storage))
        except (OSError, ReleaseError, msgspec.MsgspecError):
            raise _unavailable("The release storage cannot be read now.") from None
        return Response(content, media_type=MediaType.JSON)

    handlers = [_house, _operators, _asset, training_places, state]
    return Router("/", route_handlers=handlers, include_in_schema=False)


def _unavailable(detail: str) -> ProblemError:
    return ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers={"Retry-After": "1"})


def _rounded(values: NDArray[np.float64], digits: int) -> list[float]:
    rounded: list[float] = values.round(digits).tolist()
    return rounded
