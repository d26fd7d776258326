"""The OpenAPI document and its page, with nothing from another host.

Litestar makes the paths; the schemas come from msgspec, which reads the contract to the last bound
and unit.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from litestar import MediaType, Request, Response, Router, get
from litestar.openapi import OpenAPIConfig, ResponseSpec
from litestar.openapi.plugins import JsonRenderPlugin, OpenAPIRenderPlugin
from litestar.openapi.spec import (
    Components,
    OpenAPIMediaType,
    OpenAPIType,
    Operation,
    Parameter,
    Reference,
    RequestBody,
    Schema,
    SecurityScheme,
    Tag,
)

from housing_ml import __version__
from housing_ml.feedback.actual_prices import FeedbackRequest
from serve import schemas
from serve.api import prefix
from serve.api.openapi_examples import with_examples
from serve.api.problems import MEDIA_TYPE
from serve.api.security import KEY_HEADER
from serve.rollout import canary

if TYPE_CHECKING:
    from collections.abc import Callable

PATH = "/docs"
KEY_SCHEME = "ApiKey"
LONGEST_KEY = 200
"""Characters of an Idempotency-Key."""

_PAGES = Path(__file__).parents[1] / "pages"
_ASSETS = {"docs.css": MediaType.CSS, "docs.js": "text/javascript"}
_BODY_FAULTS = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
)
_API_FAULTS = (
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.SERVICE_UNAVAILABLE,
)


def problems(*statuses: HTTPStatus) -> dict[int, ResponseSpec]:
    """Return how a route documents the errors that it answers."""
    return {
        status.value: ResponseSpec(
            schemas.Problem,
            generate_examples=False,
            media_type=MEDIA_TYPE,
            description=status.phrase,
        )
        for status in statuses
    }


API_PROBLEMS = problems(*_API_FAULTS)
BODY_PROBLEMS = problems(*_BODY_FAULTS, *_API_FAULTS)


def _operation(schema: str, *headers: Callable[[], Parameter]) -> type[Operation]:
    """Return the operation of a route that takes a body of that schema, and these headers."""

    @dataclass
    class _Documented(Operation):
        def __post_init__(self) -> None:
            self.request_body = _json_body(schema)
            self.parameters = [header() for header in headers] or None

    return _Documented


def config(*, keys: bool) -> OpenAPIConfig:
    """Return how Litestar documents the API; `keys` when callers need one."""
    scheme = SecurityScheme(type="apiKey", name=KEY_HEADER, security_scheme_in="header")
    return OpenAPIConfig(
        title="Housing prices",
        version=__version__,
        description="Prices of California block groups, each with an interval and its reasons.",
        path=PATH,
        components=Components(security_schemes={KEY_SCHEME: scheme} if keys else None),
        tags=[
            Tag("model", "Prices, reasons, and the model that gives them."),
            Tag("feedback", "Prices that come to light later."),
            Tag("operations", "For operators, with a key of theirs."),
            Tag("health", "For whoever runs the service."),
        ],
        render_plugins=[_Page(path="/"), _Document(media_type=MediaType.JSON)],
        use_handler_docstrings=True,
    )


def _routing_key() -> Parameter:
    return Parameter(
        name=canary.KEY_HEADER,
        param_in="header",
        required=False,
        schema=Schema(type=OpenAPIType.STRING),
        description="Whoever the request is for, such as a customer's id. While a canary runs, its "
        "share of the keys is answered by the canary, always the same keys; `channel` and "
        "`model_version` say who answered. Without it each request is on its own, by its "
        "X-Request-ID. It is neither logged nor kept.",
    )


def _idempotency_key() -> Parameter:
    return Parameter(
        name="Idempotency-Key",
        param_in="header",
        required=False,
        schema=Schema(type=OpenAPIType.STRING, max_length=LONGEST_KEY),
        description="Names this wish: sent again with the same key, after a time-out say, it is "
        "answered as before and done once.",
    )


PREDICTION_OPERATION = _operation("PredictionRequest", _routing_key)
EXPLANATION_OPERATION = _operation("ExplanationRequest", _routing_key)
FEEDBACK_OPERATION = _operation("FeedbackRequest")
ROLLBACK_OPERATION = _operation("RollbackRequest", _idempotency_key)
PROMOTION_OPERATION = _operation("PromotionRequest", _idempotency_key)
ABORT_OPERATION = _operation("AbortRequest", _idempotency_key)


def _json_body(name: str) -> RequestBody:
    reference = Reference(f"#/components/schemas/{name}")
    return RequestBody({"application/json": OpenAPIMediaType(schema=reference)}, required=True)


class _Document(JsonRenderPlugin):
    """openapi.json, with msgspec's schemas."""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        types = [
            item
            for item in vars(schemas).values()
            if isinstance(item, type) and issubclass(item, msgspec.Struct)
        ]
        types.append(FeedbackRequest)
        _, described = msgspec.json.schema_components(
            types, ref_template="#/components/schemas/{name}"
        )
        components = {**openapi_schema["components"], "schemas": described}
        servers = [{"url": prefix.of(request.scope) or "/"}]
        document = {**openapi_schema, "servers": servers, "components": components}
        return self.render_json(request, with_examples(document))


class _Page(OpenAPIRenderPlugin):
    """The page for people, and its two files."""

    def render(self, request: Request[Any, Any, Any], _: dict[str, Any]) -> bytes:
        return prefix.page(_PAGES / "docs.html", request.scope)

    def receive_router(self, router: Router) -> None:
        router.register(_asset)


@get("/assets/{name:str}", sync_to_thread=False, include_in_schema=False)
def _asset(name: str) -> Response[bytes]:
    if name not in _ASSETS:
        return Response(b"", status_code=HTTPStatus.NOT_FOUND)
    return Response((_PAGES / name).read_bytes(), media_type=_ASSETS[name])
