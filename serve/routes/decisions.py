"""Roll back, promote, or end a probation, for operators who have no shell at hand.

Each needs an operator's key, and each can be sent again with the same `Idempotency-Key`.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec
import structlog
from litestar import Request, Router, post

from housing_ml.releases.champion import promote_version
from housing_ml.releases.records import now
from housing_ml.releases.rollback import roll_back
from housing_ml.releases.wishes import once
from housing_ml.rollout.canary import STOPPED, stop
from housing_ml.storage.errors import ReleaseError
from serve.api import openapi
from serve.api.access import Access
from serve.api.problems import ProblemError, unavailable
from serve.api.request_body import PlainJson, ServiceRequest
from serve.schemas import AbortRequest, DecisionResponse, PromotionRequest, RollbackRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from litestar.handlers import HTTPRouteHandler
    from litestar.openapi.spec import Operation

    from housing_ml.releases.records import Release
    from housing_ml.storage.versioned import ReleaseStorage
    from serve.api.security import ApiKeys
    from serve.models.model_store import ModelStore
    from serve.telemetry.metrics import Metrics

logger = structlog.get_logger(__name__)


class _Decisions:
    """Takes a request to a decision: who asks, in which words, and what came of it."""

    def __init__(
        self, storage: ReleaseStorage, store: ModelStore, metrics: Metrics, access: Access
    ) -> None:
        self._storage = storage
        self._store = store
        self._access = access
        self._rollbacks = PlainJson(RollbackRequest, metrics)
        self._promotions = PlainJson(PromotionRequest, metrics)
        self._aborts = PlainJson(AbortRequest, metrics)

    async def roll_back(self, request: ServiceRequest, body: bytes) -> DecisionResponse:
        asked, by, key = self._rollbacks.read(request, body), *self._asker(request)
        return await self._decide(
            "rolled back",
            by,
            lambda: roll_back(self._storage, asked.to, why=asked.why, by=by, key=key),
        )

    async def promote(self, request: ServiceRequest, body: bytes) -> DecisionResponse:
        asked, by, key = self._promotions.read(request, body), *self._asker(request)

        def fulfil(evidence: Any) -> Release:
            return promote_version(
                self._storage, asked.version, why=asked.why, by=by, evidence=evidence
            )

        return await self._decide(
            "promoted", by, lambda: once(self._storage, "promotion", by, key, fulfil)
        )

    async def abort(self, request: ServiceRequest, body: bytes) -> DecisionResponse:
        asked, by, key = self._aborts.read(request, body), *self._asker(request)

        def fulfil(evidence: Any) -> Release | None:
            ended = stop(
                self._storage,
                asked.probation,
                why=asked.why,
                by=by,
                withdraw=asked.withdraw,
                bundle=asked.bundle_digest,
                evidence=evidence,
            )
            if ended is None:
                raise ReleaseError(f"there is no such {asked.probation}")
            return msgspec.structs.replace(ended, promoted_by=by, promoted_at=now())

        kind = STOPPED[asked.probation]
        return await self._decide("aborted", by, lambda: once(self._storage, kind, by, key, fulfil))

    def _asker(self, request: ServiceRequest) -> tuple[str, str | None]:
        """Return the owner of the request's key, and the wish's own key where it has one."""
        key = request.headers.get("idempotency-key") or None
        if key and len(key) > openapi.LONGEST_KEY:
            detail = f"An Idempotency-Key has at most {openapi.LONGEST_KEY} characters."
            raise ProblemError(HTTPStatus.BAD_REQUEST, detail)
        return self._access.owner(request), key

    async def _decide(
        self, done: str, by: str, decide: Callable[[], Release | None]
    ) -> DecisionResponse:
        found = await asyncio.to_thread(_decided, done, decide)
        self._store.wake()
        logger.warning(done.replace(" ", "_"), to=found.version, by=by)
        return DecisionResponse(found.version, found.bundle, by, found.promoted_at)


def _decided(done: str, decide: Callable[[], Release | None]) -> Release:
    try:
        found = decide()
    except ReleaseError as error:
        raise ProblemError(HTTPStatus.CONFLICT, f"Not {done}: {error}.") from error
    except Exception as error:  # each storage has errors of its own
        raise unavailable("The release storage cannot be used now: ask again.", 5) from error
    if found is None:
        raise ProblemError(HTTPStatus.CONFLICT, f"It was {done}, and its release is gone since.")
    return found


def router(
    storage: ReleaseStorage, store: ModelStore, metrics: Metrics, operators: ApiKeys
) -> Router:
    """Return what those who have an operator's key may decide, below `/api/v1`."""
    access = Access(operators, limit=None)
    decisions = _Decisions(storage, store, metrics, access)

    @_route("/rollback", openapi.ROLLBACK_OPERATION)
    async def rollback(request: ServiceRequest, body: bytes) -> DecisionResponse:
        """Put an older release back into service; needs an operator's key.

        A canary ends too. The release that goes is withdrawn: no retrain promotes it again by
        itself. MLflow's aliases follow with `housing release sync`, or with the next promotion.
        With an `Idempotency-Key`, one that is sent again is answered as before and done once.
        """
        return await decisions.roll_back(request, body)

    @_route("/promote", openapi.PROMOTION_OPERATION)
    async def promote(request: ServiceRequest, body: bytes) -> DecisionResponse:
        """Make a published release the champion; needs an operator's key.

        It passed the gate, or the gate asks a person. A probation of it ends. MLflow's aliases
        follow with `housing release sync`, or with the next promotion of a retrain.
        """
        return await decisions.promote(request, body)

    @_route("/abort", openapi.ABORT_OPERATION)
    async def abort(request: ServiceRequest, body: bytes) -> DecisionResponse:
        """End a canary or a shadow; needs an operator's key.

        The champion answers all requests again.
        """
        return await decisions.abort(request, body)

    async def admit(request: Request[Any, Any, Any]) -> None:
        await access(request)

    return Router(
        "/api/v1",
        route_handlers=[rollback, promote, abort],
        before_request=admit,
        tags=["operations"],
        security=[{openapi.KEY_SCHEME: []}],
    )


def _route(path: str, operation: type[Operation]) -> Callable[[Any], HTTPRouteHandler]:
    return post(
        path,
        status_code=HTTPStatus.OK,
        responses=openapi.BODY_PROBLEMS | openapi.problems(HTTPStatus.CONFLICT),
        operation_class=operation,
        operation_id=path.strip("/"),
    )
