"""The pages for people: their files, and what operators want to see."""

from __future__ import annotations

from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from litestar import MediaType, Request, Response, Router, get

from housing_ml.monitoring.trend import last_report
from housing_ml.releases.champion import may_be_promoted
from housing_ml.releases.channels import history, read_channels, read_release
from housing_ml.releases.records import Channels, Event, Release
from housing_ml.storage.errors import ReleaseError
from serve.api import prefix
from serve.api.compression import compressed
from serve.api.problems import ProblemError, unavailable
from serve.api.traffic import MinutesOfTraffic, Traffic

if TYPE_CHECKING:
    from housing_ml.storage.versioned import ReleaseStorage
    from serve.api.access import Access

MAX_EVENTS = 50
"""Latest events of the history that operators are shown."""

_FOLDER = Path(__file__).parents[1] / "pages"
_ASSETS = {
    "house.css": MediaType.CSS,
    "operators.css": MediaType.CSS,
    "icon.svg": "image/svg+xml",
    "vendor/leaflet.css": MediaType.CSS,
    "vendor/leaflet.js": "text/javascript",
    "vendor/california.json": MediaType.JSON,
    "vendor/uplot.css": MediaType.CSS,
    "vendor/uplot.js": "text/javascript",
    "vendor/parquet.js": "text/javascript",
    **dict.fromkeys((item.name for item in _FOLDER.glob("*.js")), "text/javascript"),
}


class Candidate(msgspec.Struct, frozen=True):
    """A release that a person may promote."""

    version: str
    bundle: str
    asks: bool
    """Whether the gate leaves it to a person."""


class Operations(msgspec.Struct, frozen=True):
    """What serves, what was decided about models, and what the monitor last found."""

    channels: Channels
    history: list[Event]
    """The latest first."""
    metrics: dict[str, dict[str, float]]
    """What each bundle of the history showed on the holdout, by its digest."""
    candidates: list[Candidate]
    """Releases of the history that may become the champion."""
    monitor: msgspec.Raw
    """The monitor's last report, or null."""
    traffic: MinutesOfTraffic


def operations(storage: ReleaseStorage, traffic: Traffic) -> Operations:
    """Read the releases, the monitor's last report, and the traffic of this process.

    Raises:
        ReleaseError: when they cannot be read.
    """
    channels, _ = read_channels(storage)
    last = last_report(storage)
    events = history(storage)[: -MAX_EVENTS - 1 : -1]
    judged = _judged(storage, events)
    return Operations(
        channels=channels,
        history=events,
        metrics={release.bundle: release.metrics for release in judged},
        candidates=[
            Candidate(release.version, release.bundle, release.asks)
            for release in judged
            if may_be_promoted(channels, release)
        ],
        monitor=msgspec.Raw(last.content if last else b"null"),
        traffic=traffic.minutes(),
    )


def _judged(storage: ReleaseStorage, events: list[Event]) -> list[Release]:
    models = dict.fromkeys((event.version, event.bundle) for event in events)
    found = (read_release(storage, version, bundle) for version, bundle in models)
    return [release for release in found if release]


@get("/", media_type=MediaType.HTML, sync_to_thread=False)
def _house(request: Request[Any, Any, Any]) -> bytes:
    """Return the page for everybody."""
    return prefix.page(_FOLDER / "house.html", request.scope)


@get("/operators", media_type=MediaType.HTML, sync_to_thread=False)
def _operators(request: Request[Any, Any, Any]) -> bytes:
    """Return the page for operators."""
    return prefix.page(_FOLDER / "operators.html", request.scope)


@get("/operators/prediction", media_type=MediaType.HTML, sync_to_thread=False)
def _prediction(request: Request[Any, Any, Any]) -> bytes:
    """Return the page of one logged prediction."""
    return prefix.page(_FOLDER / "prediction.html", request.scope)


@get("/assets/{name:path}", sync_to_thread=False)
def _asset(request: Request[Any, Any, Any], name: str) -> Response[bytes]:
    """Return one of the pages' files."""
    name = name.lstrip("/")
    if name not in _ASSETS:
        raise ProblemError(HTTPStatus.NOT_FOUND, "The pages have no such file.")
    return compressed(request, _content(name), _ASSETS[name])


@cache
def _content(name: str) -> bytes:
    return (_FOLDER / name).read_bytes()


def router(storage: ReleaseStorage, traffic: Traffic, access: Access) -> Router:
    """Return `/` and `/operators` with their files, and what operators see, as open as the API."""

    async def admit(request: Request[Any, Any, Any]) -> None:
        await access(request)

    @get("/operations", before_request=admit, sync_to_thread=True)
    def state() -> Response[bytes]:
        """Return what operators want to see; it is read from the release storage at each look."""
        try:
            content = msgspec.json.encode(operations(storage, traffic))
        except (OSError, ReleaseError, msgspec.MsgspecError):
            raise unavailable("The release storage cannot be read now.") from None
        return Response(content, media_type=MediaType.JSON)

    handlers = [_house, _operators, _prediction, _asset, state]
    return Router("/", route_handlers=handlers, include_in_schema=False)
