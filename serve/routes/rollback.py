"""Back to an older release, for operators who have no shell at hand."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import structlog
from litestar import Request, Router, post

from housing_ml.releases.rollback import roll_back
from housing_ml.storage.errors import ReleaseError
from serve.api import openapi
from serve.api.access import Access
from serve.api.problems import ProblemError, unavailable
from serve.api.request_body import PlainJson, ServiceRequest
from serve.schemas import RollbackRequest, RollbackResponse

if TYPE_CHECKING:
    from housing_ml.releases.records import Release
    from housing_ml.storage.versioned import ReleaseStorage
    from serve.api.security import ApiKeys
    from serve.models.model_store import ModelStore
    from serve.telemetry.metrics import Metrics

logger = structlog.get_logger(__name__)


def router(
    storage: ReleaseStorage, store: ModelStore, metrics: Metrics, operators: ApiKeys
) -> Router:
    """Return `/api/v1/rollback`, for those who have an operator's key."""
    bodies = PlainJson(RollbackRequest, metrics)
    access = Access(operators, limit=None)

    @post(
        "/rollback",
        status_code=HTTPStatus.OK,
        responses=openapi.BODY_PROBLEMS | openapi.problems(HTTPStatus.CONFLICT),
        operation_class=openapi.ROLLBACK_OPERATION,
    )
    async def rollback(request: ServiceRequest, body: bytes) -> RollbackResponse:
        """Put an older release back into service; needs an operator's key.

        A canary ends too. The release that goes is withdrawn: no retrain promotes it again by
        itself. MLflow's aliases follow with `housing release sync`, or with the next promotion.
        With an `Idempotency-Key`, one that is sent again is answered as before and done once.
        """
        asked = bodies.read(request, body)
        by, key = access.owner(request), request.headers.get("idempotency-key") or None
        if key and len(key) > openapi.LONGEST_KEY:
            detail = f"An Idempotency-Key has at most {openapi.LONGEST_KEY} characters."
            raise ProblemError(HTTPStatus.BAD_REQUEST, detail)
        found = await asyncio.to_thread(_roll_back, storage, asked, by, key)
        store.wake()
        logger.warning("rolled_back", to=found.version, by=by)
        return RollbackResponse(found.version, found.bundle, by, found.promoted_at)

    async def admit(request: Request[Any, Any, Any]) -> None:
        await access(request)

    return Router(
        "/api/v1",
        route_handlers=[rollback],
        before_request=admit,
        tags=["operations"],
        security=[{openapi.KEY_SCHEME: []}],
    )


def _roll_back(
    storage: ReleaseStorage, asked: RollbackRequest, by: str, key: str | None
) -> Release:
    try:
        return roll_back(storage, asked.to, why=asked.why, by=by, key=key)
    except ReleaseError as error:
        raise ProblemError(HTTPStatus.CONFLICT, f"Not rolled back: {error}.") from error
    except Exception as error:  # each storage has errors of its own
        raise unavailable("The release storage cannot be used now: ask again.", 5) from error
