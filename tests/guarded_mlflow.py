"""MLflow's real application behind a password: `uvicorn tests.guarded_mlflow:app`.

MLflow's own application for that needs a package that nothing else here does; a proxy with basic
authentication in front of the server is as common.
"""

from __future__ import annotations

from functools import cache
from typing import Any

OPEN = "/health"
ALLOWED = {b"Basic bWU6c2VjcmV0", b"Bearer a-token"}
"""me:secret, and a token."""


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Let those in who say who they are."""
    allowed = scope["type"] != "http" or scope["path"] == OPEN
    if allowed or dict(scope["headers"]).get(b"authorization") in ALLOWED:
        await _mlflow()(scope, receive, send)
        return
    await send({"type": "http.response.start", "status": 401, "headers": []})
    await send({"type": "http.response.body", "body": b"You are not authenticated."})


@cache
def _mlflow() -> Any:
    from mlflow.server.fastapi_app import app as mlflow  # noqa: PLC0415 - it warns when imported

    return mlflow
