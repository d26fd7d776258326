"""Examples of the OpenAPI document: each request, each success, and each problem.

They are those of the README's block group, so that what a reader copies works. The types of
`schemas` make them: what a schema demands, an example has.
"""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import msgspec

from housing_ml.data.contract import BlockGroup
from housing_ml.feedback.actual_prices import Feedback, FeedbackRequest
from serve import schemas

_PLACE = BlockGroup(
    longitude=-122.23,
    latitude=37.88,
    housing_median_age=41,
    total_rooms=880,
    total_bedrooms=129,
    population=322,
    households=126,
    median_income=8.3252,
    ocean_proximity="NEAR BAY",
)
_ID = "ea02a976e079c15132c3bec5eae1ebd3f5aeb3c13b77cee3"
_DIGEST = "27e4cbbe636290bb926b6e33a84637c9820e0437d73c64e920cad7262d7a4644"
_VERSION, _CHANNEL = "1", "champion"
_AT = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
_WHY = "Prices inland are too high since Monday."
_COMPARABLES = [
    schemas.Comparable(-122.23, 37.88, 452_600.0, 0.0, 8.3252, 41.0),
    schemas.Comparable(-122.2, 37.88, 378_100.0, 2.66, 7.7736, 36.0),
]
_CONTRIBUTIONS = {
    "location": 154_974.81,
    "ocean proximity": 206.11,
    "income": 62_798.44,
    "age": 4_938.22,
    "rooms and people": 34_452.60,
}
_PRICE, _BASE = 437_207.83, 179_837.65
_INTERVAL = schemas.PredictionInterval(373_623.05, 500_001.0, 0.9)

_EXAMPLES: tuple[msgspec.Struct, ...] = (
    schemas.PredictionRequest([_PLACE]),
    schemas.PredictionResponse(
        [schemas.PredictedPrice(_ID, _PRICE, _INTERVAL, [], at_least=True)], _VERSION, _CHANNEL
    ),
    schemas.ExplanationRequest([_PLACE]),
    schemas.ExplanationResponse(
        [schemas.Explanation(_PRICE, _BASE, _CONTRIBUTIONS, _COMPARABLES)], _VERSION, _CHANNEL
    ),
    schemas.ModelResponse(
        model_version=_VERSION,
        channel=_CHANNEL,
        bundle_digest=_DIGEST,
        metrics={"rmse": 39_043.09, "wmape": 0.1151, "coverage": 0.908},
        data_digest="95657658f435ff032216fdc0a47843228580710f917c5b82adfb8936f5dd9362",
        synthetic=False,
        feature_fingerprint="ddac4f68906eb508a1b18585936d5079f935c207ea4dceb7a5ab05b6d0ef0251",
        loaded_at="2026-11-24T09:00:00.000+00:00",
        loaded_from="release storage",
    ),
    FeedbackRequest([Feedback(_ID, 452_600.0)]),
    schemas.FeedbackReceipt(1),
    schemas.PastPrediction(
        prediction_id=_ID,
        at=_AT,
        model_version=_VERSION,
        channel=_CHANNEL,
        row=msgspec.to_builtins(_PLACE),
        predicted_price=_PRICE,
        lower=_INTERVAL.lower,
        upper=_INTERVAL.upper,
        actual_price=452_600.0,
        actual_from="assessor",
        at_least=False,
        base_price=_BASE,
        contributions=_CONTRIBUTIONS,
        comparables=_COMPARABLES,
    ),
    schemas.RollbackRequest(why=_WHY),
    schemas.PromotionRequest(why="Better inland, and nowhere worse.", version="canary"),
    schemas.AbortRequest(why=_WHY),
    schemas.DecisionResponse(_VERSION, _DIGEST, "ana", _AT.isoformat()),
    schemas.Alive(),
    schemas.Ready(_VERSION, _CHANNEL),
    schemas.DeepHealth("ok", {"release storage": schemas.Dependency("ok", "circuit closed", 0.77)}),
    schemas.Announcement(),
)
_BY_SCHEMA = {type(item).__name__: msgspec.to_builtins(item) for item in _EXAMPLES}

_DETAILS = {
    HTTPStatus.BAD_REQUEST: "The request breaks the contract; each offending field is in `errors`.",
    HTTPStatus.UNAUTHORIZED: "Send an API key in the header X-API-Key.",
    HTTPStatus.FORBIDDEN: "This API key is not known.",
    HTTPStatus.NOT_FOUND: "No prediction of this id is in the log.",
    HTTPStatus.REQUEST_TIMEOUT: "The request did not arrive in 10 seconds.",
    HTTPStatus.CONFLICT: "Not done: no release was promoted before the champion.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body must have at most 1,048,576 bytes.",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "The body must be application/json.",
    HTTPStatus.TOO_MANY_REQUESTS: "More requests than allowed; ask again in 0.8 seconds.",
    HTTPStatus.SERVICE_UNAVAILABLE: "No model has been loaded yet.",
}
_FIGURES = 'housing_requests_total{route="predict",status="200"} 12.0\n'
_FAULT = schemas.FieldError(
    "instances[0].longitude", -22.23, "must be a number from -124.5 to -114.1 degrees"
)


def with_examples(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document with an example of each request, success and problem in it."""
    for operations in document["paths"].values():
        for operation in operations.values():
            takes = "requestBody" in operation
            for content in operation.get("requestBody", {}).get("content", {}).values():
                _show(content, None, takes=takes)
            for status, response in operation["responses"].items():
                for content in response.get("content", {}).values():
                    _show(content, HTTPStatus(int(status)), takes=takes)
    return document


def _show(content: dict[str, Any], status: HTTPStatus | None, *, takes: bool) -> None:
    name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
    if name == schemas.Problem.__name__ and status is not None:
        content["example"] = _problem(status, takes=takes)
    elif name in _BY_SCHEMA:
        content["example"] = _BY_SCHEMA[name]
    elif content["schema"].get("type") == "string":
        content["example"] = _FIGURES


def _problem(status: HTTPStatus, *, takes: bool) -> dict[str, Any]:
    """Return a problem as the service answers it; of what it `takes` it names the field."""
    found = schemas.Problem(
        title=status.phrase,
        status=status,
        detail=_DETAILS[status],
        request_id="7dc0040f92ef00000008",
        errors=[_FAULT] if takes and status is HTTPStatus.BAD_REQUEST else None,
    )
    document: dict[str, Any] = msgspec.to_builtins(found)
    return document
