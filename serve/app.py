"""The app: every part is made once here and handed to whoever needs it."""

from __future__ import annotations

import asyncio
import gc
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import structlog
from litestar import Litestar
from litestar.config.cors import CORSConfig
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.plugins.core import MsgspecDIPlugin

from housing_ml.releases.signed import signed_by
from housing_ml.storage.errors import ReleaseError
from serve import logs
from serve.api import openapi
from serve.api.access import Access
from serve.api.edge import Edge
from serve.api.problems import on_exception, on_http_exception
from serve.api.rate_limit import RateLimit
from serve.api.request_body import ServiceRequest
from serve.api.security import KEY_HEADER, ApiKeys
from serve.api.traffic import Traffic
from serve.inbox import Inbox
from serve.models.last_good import LastGood
from serve.models.model_store import ModelStore
from serve.prediction_log.log import PredictionLog
from serve.predictor import Predictor
from serve.protocol.connections import Connections
from serve.protocol.figures import ConnectionFigures
from serve.rollout import canary
from serve.rollout.probations import Probations
from serve.routes import (
    decisions,
    feedback,
    health,
    inference_protocol,
    model,
    pages,
    places,
    predictions,
    webhook,
)
from serve.schemas import Dependency
from serve.settings import Settings, from_environment
from serve.sources.circuit_breaker import CircuitBreaker
from serve.sources.id_keys import IdKeys
from serve.sources.sources import GuardedStorage, open_source, open_storage
from serve.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from litestar.plugins import PluginProtocol
    from litestar.types import Receive, Scope, Send

    from serve.telemetry.traces import Traces


_SWITCH_SECONDS = 0.0001
"""A thread that moves the log or loads a model lets a request go on after this time at the latest.

Python's own 5 milliseconds are ten times what a request takes."""

_ALLOCATIONS = 20_000
"""Containers by which those that are alive grow before their garbage is looked for.

Sixteen requests under way have Python's own 700, and none of them is garbage: each handful would be
searched."""

_ON_DISK = ("prediction log", "rate limit", "last good bundle", "metrics")
_DISK_SECONDS = 1.0
_UNVERIFIED = (
    "no HOUSING_SERVE_PUBLIC_KEYS: whoever can write the release storage chooses what is served"
)

logger = structlog.get_logger(__name__)


class Service(Litestar):
    """The Litestar app inside its edge."""

    edge: Edge
    connections: Connections

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one exchange; at the start, hand the server what looks after its connections."""
        if scope["type"] == "http":
            await self.edge(scope, receive, send)
        else:
            scope.get("state", {})["connections"] = self.connections
            await super().__call__(scope, receive, send)

    async def inside(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as Litestar would without the edge."""
        await super().__call__(scope, receive, send)

    @staticmethod
    def _get_default_plugins(plugins: list[PluginProtocol]) -> list[PluginProtocol]:
        """Leave out Litestar's plugins for pydantic and attrs: half a second and 20 MB at start."""
        return [*plugins, MsgspecDIPlugin()]


class _Parts:
    """What lives as long as the app."""

    def __init__(self, settings: Settings) -> None:
        self.metrics = Metrics()
        self.traffic = Traffic()
        self.connections = Connections(settings, ConnectionFigures(self.metrics.registry))
        storage = open_storage(settings.releases)
        self.breaker = CircuitBreaker(
            "feedback storage", alive=(ReleaseError,), observe=self.metrics.source_asked
        )
        self.storage = GuardedStorage(storage, self.breaker)
        self.log = (
            PredictionLog(settings, storage.write, self.metrics)
            if settings.prediction_log
            else None
        )
        self.probations = Probations(
            signed_by(storage, settings.signing_key),
            self.log.offer if self.log else None,
            self.metrics,
        )
        self.spans = _open_traces(settings)
        self.store = ModelStore(
            open_source(settings, storage),
            LastGood(settings.state, settings.channel, same_code=settings.require_same_code),
            self.probations,
            self.metrics,
            settings,
        )
        self.store.spans = self.spans
        self.unverified = settings.environment == "production" and not settings.public_keys
        if self.unverified:
            logger.warning("signatures_not_asked_for", detail=_UNVERIFIED)
        self.ids = IdKeys(settings.feedback_keys, storage)
        self.inbox = Inbox(self.storage, self.ids, settings.feedback_per_day)
        self.predictor = Predictor(self.store, self.probations, self.log, self.metrics, self.ids)
        rate = settings.requests_per_second
        self.limit = (
            RateLimit(rate, settings.state / "rate-limit", settings.api_keys) if rate else None
        )

    def dependencies(self) -> dict[str, Dependency]:
        """Return how each dependency was when it was last used."""
        found = self.store.dependencies() | {self.breaker.name: self.breaker.dependency()}
        if self.log:
            found["prediction log"] = self.log.dependency()
        if self.limit:
            found["rate limit"] = self.limit.dependency()
        if figures := self.metrics.dependency():
            found["metrics"] = figures
        if self.unverified:
            found["signatures"] = Dependency("degraded", _UNVERIFIED)
        return found

    @asynccontextmanager
    async def running(self, _: Litestar) -> AsyncIterator[None]:
        """Run the parts' threads while the app runs; flush the log at the end."""
        await asyncio.to_thread(self.ids.start)
        await asyncio.to_thread(self.store.start)
        if self.log:
            self.log.start()
        gc.freeze()  # what the start made stays: no collection need look at it again
        gc.set_threshold(_ALLOCATIONS)
        gc.enable()
        sys.setswitchinterval(_SWITCH_SECONDS)
        async with self.connections.watched():
            watch = asyncio.create_task(self._watch_disk())
            yield
            watch.cancel()
        await asyncio.to_thread(self._stop)

    async def _watch_disk(self) -> None:
        """Show which parts cannot write their files."""
        while True:
            found = self.dependencies()
            for part in _ON_DISK:
                failing = part in found and found[part].state == "degraded"
                self.metrics.disk.labels(part).set(failing)
            await asyncio.sleep(_DISK_SECONDS)

    def _stop(self) -> None:
        self.ids.stop()
        self.store.stop()
        self.probations.close()
        self.predictor.close()
        if self.log:
            self.log.stop()
        if self.limit:
            self.limit.close()
        if self.spans:
            self.spans.close()


def create_app(settings: Settings | None = None) -> Service:
    """Return the app that the settings describe; from the environment when none are given.

    Raises:
        SettingsError: when the environment's settings do not fit.
    """
    settings = settings or from_environment()
    logs.configure(settings.log_level)
    parts = _Parts(settings)
    keys = ApiKeys(settings.api_keys)
    app = Service(
        route_handlers=_routers(parts, settings, keys),
        lifespan=[parts.running],
        request_class=ServiceRequest,
        exception_handlers={HTTPException: on_http_exception, Exception: on_exception},
        openapi_config=openapi.config(keys=bool(settings.api_keys or settings.operator_keys)),
        cors_config=_cors(settings),
        state=State({"body_limit": settings.body_limit, "client_seconds": settings.client_seconds}),
        logging_config=None,
        debug=False,
    )
    app.edge = Edge(app.inside, parts.metrics, parts.traffic, settings)
    app.edge.spans = parts.spans
    app.connections = parts.connections
    return app


def _routers(parts: _Parts, settings: Settings, keys: ApiKeys) -> list[Any]:
    access = Access(keys, parts.limit)
    routers = [
        model.router(parts.predictor, parts.store, parts.metrics, access, keys=bool(keys)),
        feedback.router(parts.inbox, parts.probations, parts.metrics, access, keys=bool(keys)),
        health.router(parts.store, parts.metrics, parts.dependencies),
        inference_protocol.router(parts.predictor, parts.store, parts.metrics, access),
        pages.router(parts.storage, parts.traffic, access),
        places.router(parts.store, parts.storage, parts.predictor.recent, access),
    ]
    operators = ApiKeys(settings.operator_keys)
    if operators:
        releases = signed_by(parts.storage, settings.signing_key)
        routers.append(predictions.router(parts.storage, operators))
        routers.append(decisions.router(releases, parts.store, parts.metrics, operators))
    if settings.webhook_secret:
        routers.append(webhook.router(parts.store, settings.webhook_secret))
    return routers


def _open_traces(settings: Settings) -> Traces | None:
    """Return what records, where the settings have an endpoint and OpenTelemetry is installed."""
    if not settings.otlp_endpoint:
        return None
    try:
        from serve.telemetry.spans import Telemetry  # noqa: PLC0415 - an extra, for who has an endpoint
    except ImportError as error:
        logger.warning(
            "traces_not_sent", detail=f"{error}: install housing-ml with the extra `traces`"
        )
        return None
    return Telemetry(settings.otlp_endpoint, settings.trace_share)


def _cors(settings: Settings) -> CORSConfig | None:
    if not settings.cors_origins:
        return None
    return CORSConfig(
        allow_origins=settings.cors_origins,
        allow_methods=["GET", "POST"],
        allow_headers=["Content-Type", KEY_HEADER, canary.KEY_HEADER, "X-Request-ID"],
        expose_headers=["X-Request-ID", "Retry-After"],
    )
