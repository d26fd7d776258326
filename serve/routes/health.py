"""Whether the process lives, whether it may have traffic, and how its dependencies are."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from litestar import MediaType, Response, Router, get

from serve.api import openapi
from serve.api.problems import no_model
from serve.schemas import Alive, DeepHealth, Dependency, Ready

if TYPE_CHECKING:
    from collections.abc import Callable

    from serve.models.model_store import ModelStore
    from serve.telemetry.metrics import Metrics


def router(
    store: ModelStore, metrics: Metrics, dependencies: Callable[[], dict[str, Dependency]]
) -> Router:
    """Return `/health` and below, and `/metrics`; `dependencies` must not wait for anything."""

    @get("/health/live", sync_to_thread=False)
    def live() -> Alive:
        """Tell that the process answers; restart it when this fails."""
        return Alive()

    @get(
        ["/health", "/health/ready"],
        responses=openapi.problems(HTTPStatus.SERVICE_UNAVAILABLE),
        sync_to_thread=False,
    )
    def ready() -> Ready:
        """Tell whether a model has proved itself; send no traffic while this fails."""
        if store.current is None:
            raise no_model()
        return Ready(store.current.version, store.current.channel)

    @get("/health/deep", sync_to_thread=False)
    def deep() -> DeepHealth:
        """Tell how each dependency was when it was last used; a degraded one is not an outage."""
        found = dependencies()
        healthy = all(dependency.state == "ok" for dependency in found.values())
        return DeepHealth("ok" if healthy else "degraded", found)

    @get("/metrics", media_type=MediaType.TEXT, sync_to_thread=True)
    def figures() -> Response[bytes]:
        """Return the figures of all workers in Prometheus' text format."""
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return Router("/", route_handlers=[live, ready, deep, figures], tags=["health"])
