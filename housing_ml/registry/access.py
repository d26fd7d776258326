"""Who asks MLflow: the credentials that MLflow's own client takes, for requests without it.

MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD    basic authentication
MLFLOW_TRACKING_TOKEN                                    a bearer token
"""

from __future__ import annotations

import os
from base64 import b64encode
from http import HTTPStatus

REFUSALS = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


def headers() -> dict[str, str]:
    """Return the header that proves who asks; none where the environment names nobody."""
    user = os.environ.get("MLFLOW_TRACKING_USERNAME")
    password = os.environ.get("MLFLOW_TRACKING_PASSWORD")
    token = os.environ.get("MLFLOW_TRACKING_TOKEN")
    if user and password:
        return {"Authorization": f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"}
    return {"Authorization": f"Bearer {token}"} if token else {}


def refusal(address: str, status: int) -> str:
    """Return what a person is told whom MLflow does not let in."""
    return (
        f"MLflow at {address} answers {status} ({HTTPStatus(status).phrase}): set "
        "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, of "
        "somebody who may write there; what is computed stays cached"
    )
