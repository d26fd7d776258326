"""Every error as problem details (RFC 9457): one shape, no stack trace."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException

from serve.schemas import FieldError, Problem

if TYPE_CHECKING:
    from litestar.types import Scope

MEDIA_TYPE = "application/problem+json"

logger = structlog.get_logger(__name__)


class ProblemError(HTTPException):
    """An answer other than success, and what the client can do about it."""

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        *,
        errors: list[FieldError] | None = None,
        headers: dict[str, str] | None = None,
        errors_omitted: int = 0,
    ) -> None:
        super().__init__(detail=detail, status_code=status, headers=headers)
        self.errors = errors
        self.errors_omitted = errors_omitted


def unavailable(detail: str, seconds: int = 1) -> ProblemError:
    """Return a 503 that asks to try again in so many seconds."""
    headers = {"Retry-After": str(seconds)}
    return ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers=headers)


def no_model() -> ProblemError:
    """Return the 503 of a service that has no model yet."""
    return unavailable("No model has been loaded yet.")


def on_http_exception(request: Request[Any, Any, Any], error: HTTPException) -> Response[Problem]:
    """Answer a ProblemError, or Litestar's own 404, 405 and the like."""
    status = HTTPStatus(error.status_code)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR and not isinstance(error, ProblemError):
        return on_exception(request, error)
    return _respond(request, status, error)


def on_exception(request: Request[Any, Any, Any], error: Exception) -> Response[Problem]:
    """Answer what nobody foresaw with a 500; the trace goes to the log only."""
    logger.error("unexpected_error", **request_names(request.scope), exc_info=error)
    detail = "Something unforeseen went wrong here; the log has it under the request id."
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    return _respond(request, status, ProblemError(status, detail))


def _respond(
    request: Request[Any, Any, Any], status: HTTPStatus, error: HTTPException
) -> Response[Problem]:
    problem = Problem(
        title=status.phrase,
        status=status,
        detail=error.detail,
        request_id=_request_id(request),
        errors=getattr(error, "errors", None),
        errors_omitted=getattr(error, "errors_omitted", 0),
    )
    return Response(problem, status_code=status, headers=error.headers, media_type=MEDIA_TYPE)


def request_names(scope: Scope) -> dict[str, str]:
    """Return the names of a request in the log: its id, and that of its trace where it has one."""
    state: dict[str, str] = scope["state"]
    return {name: state[name] for name in ("request_id", "trace_id") if name in state}


def _request_id(request: Request[Any, Any, Any]) -> str:
    return str(request.scope["state"].get("request_id", ""))
