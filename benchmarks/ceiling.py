"""The most that the service's framework can do: the same Litestar, a body, a constant."""

from __future__ import annotations

from typing import Any

from litestar import Litestar, get, post
from litestar.plugins.core import MsgspecDIPlugin

CONSTANT = (
    b'{"predictions":[{"prediction_id":"3f1c9f0d-0","predicted_price":366328.9769753422,'
    b'"prediction_interval":{"lower":127232.71339536409,"upper":500001.0,"level":0.9},'
    b'"warnings":[]}],"model_version":"1","channel":"champion"}'
)


class _App(Litestar):
    @staticmethod
    def _get_default_plugins(plugins: list[Any]) -> list[Any]:
        return [*plugins, MsgspecDIPlugin()]


@post("/predict", status_code=200, media_type="application/json")
async def _predict(body: bytes) -> bytes:  # noqa: ARG001 - read, as the service reads it
    return CONSTANT


@get("/health")
async def _health() -> str:
    return "ok"


def create_app() -> Litestar:
    """Return the app."""
    return _App([_predict, _health], openapi_config=None, logging_config=None)
