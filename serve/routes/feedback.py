"""Actual prices that come to light after the prediction."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from litestar import Request, Router, post

from housing_ml.feedback.actual_prices import FeedbackRequest, FeedbackStore
from serve.api import openapi
from serve.api.problems import ProblemError
from serve.api.request_body import PlainJson, ServiceRequest
from serve.rollout.lane import Lane
from serve.schemas import FeedbackReceipt

if TYPE_CHECKING:
    from housing_ml.storage.versioned import ReleaseStorage
    from serve.api.access import Access
    from serve.metrics import Metrics
    from serve.rollout.trials import Trials

_THREADS = 4
_MOST_OPEN = 64
"""A storage that hangs holds up so many requests, and no other work."""

_SECONDS = 30.0


def router(
    storage: ReleaseStorage, trials: Trials, metrics: Metrics, access: Access, *, keys: bool
) -> Router:
    """Return `/api/v1/feedback`."""
    decoder = PlainJson(FeedbackRequest, metrics)
    kept = FeedbackStore(storage)
    lane = Lane("feedback", _THREADS, _MOST_OPEN)

    @post(
        "/feedback",
        status_code=HTTPStatus.ACCEPTED,
        responses=openapi.BODY_PROBLEMS,
        operation_class=openapi.FEEDBACK_OPERATION,
    )
    async def feedback(request: ServiceRequest, body: bytes) -> FeedbackReceipt:
        """Keep the actual prices of 1 to 1,000 predictions, by prediction id.

        They may come late, in any order and more than once; the last one holds. They are on disk
        before this answers.
        """
        document = decoder.read(request, body)
        try:
            await lane.call(lambda: kept.add(document.instances), _SECONDS)
        except Exception as error:  # each storage has errors of its own
            raise ProblemError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "The prices could not be kept: send them again.",
                headers={"Retry-After": "5"},
            ) from error
        if trials.canary:
            trials.canary.counts.learned(document.instances)
        return FeedbackReceipt(received=len(document.instances))

    async def admit(request: Request[Any, Any, Any]) -> None:
        await access(request)

    return Router(
        "/api/v1",
        route_handlers=[feedback],
        before_request=admit,
        tags=["feedback"],
        security=[{openapi.KEY_SCHEME: []}] if keys else None,
    )
