"""The Open Inference Protocol, version 2: for clients and platforms that speak it already.

The same prices, checks and ids as `/api/v1/predict`; what the protocol does not know (warnings,
reasons) is there only. Errors have the protocol's shape.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from litestar import Request, Response, Router, get, post
from litestar.exceptions import HTTPException

from housing_ml import __version__
from serve.api.problems import ProblemError, no_model
from serve.api.request_body import ServiceRequest, StrictJson
from serve.api.tensors import INPUTS, LENGTH_HEADER, Tensor, as_instances, decode, metadata
from serve.schemas import MAX_INSTANCES, PredictionRequest
from serve.telemetry.traces import recorded

if TYPE_CHECKING:
    from serve.api.access import Access
    from serve.models.model_store import ModelStore
    from serve.predictor import Predictor
    from serve.schemas import PredictionResponse
    from serve.telemetry.metrics import Metrics

MODEL = "housing-price"
OUTPUTS = metadata(["predicted_price", "lower", "upper", "at_least", "prediction_id"])

_MODEL_PATH = "/models/{name:str}"
_VERSION_PATH = f"{_MODEL_PATH}/versions/{{version:str}}"


def router(predictor: Predictor, store: ModelStore, metrics: Metrics, access: Access) -> Router:
    """Return the routes below `/v2`; health is open to all, as that of the service is."""
    predictions = StrictJson(PredictionRequest, MAX_INSTANCES, metrics)

    @get("/", sync_to_thread=False)
    def server() -> dict[str, Any]:
        return {"name": "housing-ml", "version": __version__, "extensions": ["binary_tensor_data"]}

    @get("/health/live", sync_to_thread=False)
    def live() -> dict[str, bool]:
        return {"live": True}

    @get("/health/ready", sync_to_thread=False)
    def ready() -> dict[str, bool]:
        if store.current is None:
            raise no_model()
        return {"ready": True}

    @get([f"{_MODEL_PATH}/ready", f"{_VERSION_PATH}/ready"], sync_to_thread=False)
    def model_ready(name: str, version: str | None = None) -> dict[str, Any]:
        _serving(store, name, version)
        return {"name": name, "ready": True}

    @get([_MODEL_PATH, _VERSION_PATH], sync_to_thread=False)
    def model(name: str, version: str | None = None) -> dict[str, Any]:
        return {
            "name": name,
            "versions": [_serving(store, name, version)],
            "platform": "onnx",
            "inputs": INPUTS,
            "outputs": OUTPUTS,
        }

    @post([f"{_MODEL_PATH}/infer", f"{_VERSION_PATH}/infer"], status_code=HTTPStatus.OK)
    async def infer(
        request: ServiceRequest, body: bytes, name: str, version: str | None = None
    ) -> dict[str, Any]:
        await access(request)
        _serving(store, name, version)
        asked, columns = decode(body, request.headers.get(LENGTH_HEADER))
        document = await recorded("parse", predictions.decode(as_instances(columns)))
        answer = await recorded("price", predictor.predict(document.instances, request.scope))
        wanted = [output.name for output in asked.outputs]
        return {
            "id": asked.id,
            "model_name": name,
            "model_version": answer.model_version,
            "outputs": _outputs(answer, wanted),
        }

    return Router(
        "/v2",
        route_handlers=[server, live, ready, model_ready, model, infer],
        exception_handlers={HTTPException: _refuse},
        include_in_schema=False,
    )


def _serving(store: ModelStore, name: str, version: str | None) -> str:
    """Return the version that answers.

    Raises:
        ProblemError: 404 when it is not what was asked for, 503 while there is none.
    """
    current = store.current
    if name != MODEL:
        raise ProblemError(HTTPStatus.NOT_FOUND, f"There is no model {name}, but {MODEL}.")
    if current is None:
        raise no_model()
    if version not in {None, current.version}:
        detail = f"Version {version} does not answer here, but {current.version}."
        raise ProblemError(HTTPStatus.NOT_FOUND, detail)
    return current.version


def _outputs(answer: PredictionResponse, wanted: list[str]) -> list[Tensor]:
    columns: dict[str, list[Any]] = {
        "predicted_price": [found.predicted_price for found in answer.predictions],
        "lower": [found.prediction_interval.lower for found in answer.predictions],
        "upper": [found.prediction_interval.upper for found in answer.predictions],
        "at_least": [found.at_least for found in answer.predictions],
        "prediction_id": [found.prediction_id for found in answer.predictions],
    }
    unknown = [name for name in wanted if name not in columns]
    if unknown:
        detail = f"There is no output {unknown[0]}, but {', '.join(columns)}."
        raise ProblemError(HTTPStatus.BAD_REQUEST, detail)
    return [
        Tensor(
            output["name"], output["datatype"], [len(answer.predictions)], columns[output["name"]]
        )
        for output in OUTPUTS
        if not wanted or output["name"] in wanted
    ]


def _refuse(_: Request[Any, Any, Any], error: HTTPException) -> Response[dict[str, str]]:
    """Answer in the protocol's shape, with what each field breaks."""
    faults = [f"{fault.path}: {fault.rule}" for fault in getattr(error, "errors", None) or []]
    text = "; ".join([error.detail, *faults])
    return Response({"error": text}, status_code=error.status_code, headers=error.headers)
