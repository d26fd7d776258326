"""Why did we say that on Tuesday? A logged prediction, explained by the version that made it."""

from __future__ import annotations

from datetime import date
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any

from litestar import Request, Router, get
from litestar.params import Parameter

from housing_ml.feedback.log_format import LogError
from housing_ml.feedback.lookup import find_prediction
from housing_ml.storage.errors import ReleaseError
from serve.api import openapi
from serve.api.access import Access
from serve.api.problems import ProblemError, unavailable
from serve.models.past import with_reasons
from serve.schemas import PastPrediction

if TYPE_CHECKING:
    from housing_ml.storage.versioned import ReleaseStorage
    from serve.api.security import ApiKeys

_Id = Annotated[
    str, Parameter(min_length=1, max_length=64, description="From the answer that predicted it.")
]
_Day = Annotated[
    date | None,
    Parameter(description="Day in UTC on which it was made: no other is searched. Rarely needed."),
]


def router(storage: ReleaseStorage, operators: ApiKeys) -> Router:
    """Return `/api/v1/predictions`, for those who have an operator's key."""
    access = Access(operators, limit=None)

    @get(
        "/{prediction_id:str}",
        sync_to_thread=True,
        operation_id="look_up_prediction",
        responses=openapi.API_PROBLEMS
        | openapi.problems(HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND),
    )
    def prediction(prediction_id: _Id, day: _Day = None) -> PastPrediction:
        """Return what was asked and said, why, and the actual price if it came.

        Needs an operator's key. A price is there within minutes of its answer, when the service
        has moved its log to the release storage.
        """
        try:
            found = find_prediction(storage, prediction_id, day)
            past = with_reasons(storage, found) if found else None
        except LogError as error:
            detail = f"{error}. `housing prediction` may read it."
            raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, detail) from error
        except (OSError, ReleaseError):
            raise unavailable("The release storage cannot be read now.") from None
        if past is None:
            raise ProblemError(
                HTTPStatus.NOT_FOUND,
                "No prediction of this id is in the log: it comes there within minutes, and leaves "
                "when it is older than the service keeps them.",
            )
        return past

    async def admit(request: Request[Any, Any, Any]) -> None:
        await access(request)

    return Router(
        "/api/v1/predictions",
        route_handlers=[prediction],
        before_request=admit,
        tags=["operations"],
        security=[{openapi.KEY_SCHEME: []}],
    )
