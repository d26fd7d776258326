"""Prices, their reasons, and the model that gives them."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from litestar import Request, Router, get, post

from serve.api import openapi
from serve.api.json_response import JsonResponse
from serve.api.problems import no_model
from serve.api.request_body import ServiceRequest, StrictJson
from serve.schemas import (
    MAX_EXPLAINED,
    MAX_INSTANCES,
    ExplanationRequest,
    ExplanationResponse,
    ModelResponse,
    PredictionRequest,
    PredictionResponse,
)
from serve.telemetry.traces import recorded

if TYPE_CHECKING:
    from serve.api.access import Access
    from serve.models.model_store import ModelStore
    from serve.predictor import Predictor
    from serve.telemetry.metrics import Metrics


def router(
    predictor: Predictor, store: ModelStore, metrics: Metrics, access: Access, *, keys: bool
) -> Router:
    """Return the routes below `/api/v1`."""
    predictions = StrictJson(PredictionRequest, MAX_INSTANCES, metrics)
    explanations = StrictJson(ExplanationRequest, MAX_EXPLAINED, metrics)

    @post(
        "/predict",
        status_code=HTTPStatus.OK,
        responses=openapi.BODY_PROBLEMS,
        operation_class=openapi.PREDICTION_OPERATION,
        operation_id="predict",
    )
    async def predict(request: ServiceRequest) -> PredictionResponse:
        """Price 1 to 1,000 block groups."""
        document = await recorded("parse", predictions.read(request, await request.body()))
        return await recorded("price", predictor.predict(document.instances, request.scope))

    @post(
        "/explain",
        status_code=HTTPStatus.OK,
        responses=openapi.BODY_PROBLEMS,
        operation_class=openapi.EXPLANATION_OPERATION,
        operation_id="explain",
    )
    async def explain(request: ServiceRequest) -> ExplanationResponse:
        """Say how much each group of inputs adds to the price of 1 to 10 block groups.

        The contributions are exact Shapley values: they and the base price sum to the prediction.
        Each block group costs 512 predictions.
        """
        document = await recorded("parse", explanations.read(request, await request.body()))
        return await recorded("price", predictor.explain(document.instances, request.scope))

    @get(
        "/model",
        responses=openapi.API_PROBLEMS,
        operation_id="describe_model",
        sync_to_thread=False,
    )
    def model() -> ModelResponse:
        """Tell which model answers now, what it is worth and where it came from."""
        if store.current is None:
            raise no_model()
        return store.current.describe()

    async def admit(request: Request[Any, Any, Any]) -> None:
        await access(request)  # Litestar copies a callable object, but not a function

    return Router(
        "/api/v1",
        route_handlers=[predict, explain, model],
        before_request=admit,
        response_class=JsonResponse,
        tags=["model"],
        security=[{openapi.KEY_SCHEME: []}] if keys else None,
    )
