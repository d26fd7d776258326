"""The signed announcement of a release, as MLflow's webhooks send it."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated

from litestar import Router, post
from litestar.params import Parameter

from serve.api import openapi
from serve.api.problems import ProblemError
from serve.api.security import Signature, is_signed
from serve.schemas import Announcement

if TYPE_CHECKING:
    from serve.models.model_store import ModelStore


def router(store: ModelStore, secret: str) -> Router:
    """Return `/webhooks/release`."""

    @post(
        "/webhooks/release",
        status_code=HTTPStatus.ACCEPTED,
        responses=openapi.problems(
            HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN, HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        ),
        operation_id="announce_release",
    )
    async def announce(
        body: bytes,
        signature: Annotated[str, Parameter(header="X-MLflow-Signature")] = "",
        delivery: Annotated[str, Parameter(header="X-MLflow-Delivery-Id")] = "",
        timestamp: Annotated[str, Parameter(header="X-MLflow-Timestamp")] = "",
    ) -> Announcement:
        """Look for a new release at once. What the announcement says is not used."""
        if not is_signed(secret, Signature(signature, delivery, timestamp), body):
            raise ProblemError(HTTPStatus.FORBIDDEN, "The signature does not fit, or is old.")
        store.wake()
        return Announcement()

    return Router("/", route_handlers=[announce], tags=["model"])
