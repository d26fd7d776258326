"""Actual prices that come to light after the prediction."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from litestar import Request, Router, post

from housing_ml.feedback.actual_prices import FeedbackRequest
from serve.api import openapi
from serve.api.access import caller
from serve.api.problems import ProblemError, unavailable
from serve.api.request_body import PlainJson, ServiceRequest
from serve.schemas import FeedbackReceipt, FieldError
from serve.telemetry.traces import step

if TYPE_CHECKING:
    from collections.abc import Sequence

    from housing_ml.feedback.actual_prices import Feedback
    from serve.api.access import Access
    from serve.inbox import Inbox
    from serve.rollout.probations import Probations
    from serve.telemetry.metrics import Metrics


def router(
    inbox: Inbox, probations: Probations, metrics: Metrics, access: Access, *, keys: bool
) -> Router:
    """Return `/api/v1/feedback`."""
    decoder = PlainJson(FeedbackRequest, metrics)

    @post(
        "/feedback",
        status_code=HTTPStatus.ACCEPTED,
        responses=openapi.BODY_PROBLEMS,
        operation_class=openapi.FEEDBACK_OPERATION,
        operation_id="send_feedback",
    )
    async def feedback(request: ServiceRequest, body: bytes) -> FeedbackReceipt:
        """Keep the actual prices of 1 to 1,000 predictions, by prediction id.

        They may come late, in any order and more than once; the last one holds. They are on disk
        before this answers. An id that was not given to the caller's key is refused, and named.
        """
        sender = caller(request.scope)
        sent = decoder.read(request, body).instances
        taken, refused = _proven(inbox, sent, sender)
        if not taken:
            detail = "None of these predictions was made for this caller; see `errors`."
            raise ProblemError(HTTPStatus.BAD_REQUEST, detail, errors=refused)
        await _keep(inbox, taken, sender)
        for probation in (probations.canary, probations.guard):
            if probation:
                probation.counts.learned(taken)
        return FeedbackReceipt(received=len(taken), refused=refused or None)

    async def admit(request: Request[Any, Any, Any]) -> None:
        await access(request)

    return Router(
        "/api/v1",
        route_handlers=[feedback],
        before_request=admit,
        tags=["feedback"],
        security=[{openapi.KEY_SCHEME: []}] if keys else None,
    )


def _proven(
    inbox: Inbox, sent: Sequence[Feedback], sender: str
) -> tuple[list[Feedback], list[FieldError]]:
    """Return the prices whose predictions were the sender's, and what is wrong with the others."""
    rule = "must be the id of a prediction that this service made for the caller"
    taken, refused = [], []
    for index, item in enumerate(sent):
        if inbox.was_given(item, sender):
            taken.append(item)
        else:
            path = f"instances[{index}].prediction_id"
            refused.append(FieldError(path, item.prediction_id, rule))
    return taken, refused


async def _keep(inbox: Inbox, items: Sequence[Feedback], sender: str) -> None:
    if seconds := inbox.wait_for_room(sender, len(items)):
        raise ProblemError(
            HTTPStatus.TOO_MANY_REQUESTS,
            "More prices than allowed in a day; send the others tomorrow.",
            headers={"Retry-After": str(seconds)},
        )
    try:
        with step("storage"):
            await inbox.keep(items, sender)
    except Exception as error:  # each storage has errors of its own
        raise unavailable("The prices could not be kept: send them again.", 5) from error
