"""A typed client that a generator makes of the document prices houses, and knows each problem."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.documents import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.serve.conftest import Service

GUIDE = ROOT / "docs" / "how-to" / "call-the-service.md"


@pytest.fixture(scope="module")
def client(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The generated package, `housing_client`, on the path of this process."""
    folder = tmp_path_factory.mktemp("client")
    document = folder / "openapi.json"
    document.write_bytes(service.client.get("/docs/openapi.json").content)
    program = "import sys; from openapi_python_client.cli import app; app()"
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [
            *(sys.executable, "-c", program, "generate", "--path", str(document)),
            *("--output-path", str(folder / "housing_client"), "--meta", "none"),
            "--fail-on-warning",
        ],
        env=os.environ | {"PATH": tools},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield folder / "housing_client"


def ask(service: Service, operation: str, tag: str, **arguments: Any) -> Any:
    """Call an operation as its generated function does."""
    package = importlib.import_module("housing_client")
    call = importlib.import_module(f"housing_client.api.{tag}.{operation}")
    with package.Client(base_url=service.url) as client:
        return call.sync(client=client, **arguments)


@pytest.mark.usefixtures("client")
def test_the_client_answers_with_types_for_a_price_and_for_a_problem(service: Service) -> None:
    models = importlib.import_module("housing_client.models")
    document = service.client.get("/docs/openapi.json").json()
    operation = document["paths"]["/api/v1/predict"]["post"]
    body = operation["requestBody"]["content"]["application/json"]["example"]
    body = json.loads(json.dumps(body))

    answer = ask(service, "predict", "model", body=models.PredictionRequest.from_dict(body))
    body["instances"][0]["longitude"] = -22.23
    refused = ask(service, "predict", "model", body=models.PredictionRequest.from_dict(body))

    assert isinstance(answer, models.PredictionResponse)
    assert answer.predictions[0].prediction_interval.level == 0.9
    assert answer.predictions[0].predicted_price > 0
    assert isinstance(refused, models.Problem)
    assert refused.status == 400
    assert refused.errors[0].path == "instances[0].longitude"


@pytest.mark.usefixtures("client")
def test_the_client_describes_the_model_and_takes_feedback(service: Service) -> None:
    models = importlib.import_module("housing_client.models")

    found = ask(service, "describe_model", "model")
    body = models.FeedbackRequest([models.Feedback("not-one-of-ours", 452_600.0)])
    told = ask(service, "send_feedback", "feedback", body=body)

    assert isinstance(found, models.ModelResponse)
    assert found.metrics.additional_properties
    assert isinstance(told, models.FeedbackReceipt | models.Problem)


@pytest.mark.usefixtures("client")
def test_the_guides_example_prices_a_block_group(service: Service, client: Path) -> None:
    text = GUIDE.read_text().partition("```py\n")[2].partition("```")[0]
    text = text.replace("http://127.0.0.1:8000", service.url)
    done = subprocess.run(
        [sys.executable, "-c", text], cwd=client.parent, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) > 0
