"""A bucket and MLflow as sources: whatever becomes of them, predictions go on."""

from __future__ import annotations

import json
import signal
import sys
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from benchmarks.server import Server
from housing_ml.bundle.signing import new_key, sign
from serve.sources.gcs import HttpBucket
from tests.integration.gcs_emulator import emulator
from tests.serve.conftest import Home
from tests.waiting import PATIENCE_SECONDS, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from housing_ml.bundle.model import Bundle
    from tests.serve.conftest import Models, Service

"""What a prediction may take on a busy machine; a call that waits for a source takes 5."""


def is_left_alone(service: Service, source: str) -> bool:
    """Whether it is degraded, and left alone, by all accounts of the service."""
    deep = service.deep()
    told = deep["dependencies"][source]
    return (
        deep["status"] == "degraded"
        and told["state"] == "degraded"
        and "circuit open" in told["detail"]
        and service.metric("housing_source_open", source=source) == 1
        and service.metric("housing_source_failures_total", source=source) >= 3
    )


def predicts(service: Service, instances: list[dict[str, Any]], version: str) -> bool:
    """Whether it answers, with that version."""
    answer = service.predict(instances[:5])
    assert answer.status_code == 200
    return bool(answer.json()["model_version"] == version)


def test_a_bucket_that_goes_away_stops_no_prediction_and_is_followed_when_it_is_back(
    start: Callable[..., Service],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    models: Models,
    instances: list[dict[str, Any]],
) -> None:
    with emulator() as gcs:
        credentials = tmp_path / "credentials.json"
        credentials.write_text(json.dumps(gcs.service_account))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(credentials))
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs.url)
        place = "gs://housing/platform/releases"
        home = Home(tmp_path)
        home.releases = bucket = HttpBucket(place)
        home.publish(models.first.bundle, "1")
        service = start(tmp_path, releases=place, poll_seconds=0.1)
        assert predicts(service, instances, "1")

        gcs.fail("reset", times=1000)
        until(lambda: is_left_alone(service, "release storage"))
        assert predicts(service, instances, "1")
        refused = [_feedback(service, instances) for _ in range(4)]
        assert [answer.status_code for answer in refused] == [503] * 4
        assert is_left_alone(service, "feedback storage")
        assert service.client.get("/operations").status_code == 503

        gcs.faults.clear()
        home.publish(models.second.bundle, "2")
        until(lambda: predicts(service, instances, "2"))
        until(lambda: _feedback(service, instances).status_code == 202)
        until(lambda: service.deep()["status"] == "ok")
        assert service.metric("housing_source_open") == 0
        service.stop()
        assert any("/releases/predictions/date=" in name for name in gcs.objects())
        bucket._remote._client.close()


def _feedback(service: Service, instances: list[dict[str, Any]]) -> httpx.Response:
    (predicted,) = service.predict(instances[:1]).json()["predictions"]
    prices = [{"prediction_id": predicted["prediction_id"], "actual_price": 183_000.0}]
    return service.client.post("/api/v1/feedback", json={"instances": prices})


class Mlflow(Server):
    """A real MLflow server, and what the pipeline would tell it.

    It is started as `mlflow server` does it, without that command's own imports: 8 s of CPU.
    """

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-m", "uvicorn", "mlflow.server.fastapi_app:app"]
        settings = {
            "FILE_STORE": f"sqlite:///{folder}/mlflow.db",
            "ARTIFACT_ROOT": "mlflow-artifacts:/",
            "ARTIFACT_DESTINATION": str(folder / "artifacts"),
            "SERVE_ARTIFACTS": "true",
        }
        off = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
        super().__init__(
            [*command, "--port", "{port}"],
            {f"_MLFLOW_SERVER_{name}": value for name, value in settings.items()} | off,
            folder=folder,
            ready="/health",
        )
        self.client = httpx.Client(base_url=self.url, timeout=PATIENCE_SECONDS)
        self._call("registered-models/create", name="housing-price")
        self.experiment = self._call("experiments/create", name="retrain")["experiment_id"]

    def promote(self, bundle: Bundle, key: str) -> str:
        """Register a bundle as the pipeline does, point the alias at it, return the version."""
        run = self._call("runs/create", experiment_id=self.experiment, start_time=1)["run"]["info"]
        metric = {"key": "rmse", "value": 41_000.0, "timestamp": 1}
        self._call("runs/log-metric", run_id=run["run_id"], **metric)
        artifacts = run["artifact_uri"].removeprefix("mlflow-artifacts:/")
        for name, content in bundle.files().items():
            url = f"/api/2.0/mlflow-artifacts/artifacts/{artifacts}/bundle/{name}"
            self.client.put(url, content=content).raise_for_status()
        tags = {"bundle_digest": bundle.digest, "signature": sign(bundle.digest, key)}
        version = self._call(
            "model-versions/create",
            name="housing-price",
            source=f"runs:/{run['run_id']}/bundle",
            run_id=run["run_id"],
            tags=[{"key": key, "value": value} for key, value in tags.items()],
        )["model_version"]["version"]
        alias = {"name": "housing-price", "alias": "champion", "version": version}
        self._call("registered-models/alias", **alias)
        return str(version)

    def stop(self, number: int = signal.SIGTERM) -> None:
        self.client.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
        super().stop(number)

    def _call(self, path: str, **given: Any) -> Any:
        answer = self.client.post(f"/api/2.0/mlflow/{path}", json=given)
        return answer.raise_for_status().json()


@pytest.fixture
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mlflow]:
    with Mlflow(tmp_path_factory.mktemp("mlflow")) as found:
        yield found


def test_mlflow_that_hangs_and_then_dies_stops_no_prediction(
    start: Callable[..., Service],
    tmp_path: Path,
    models: Models,
    instances: list[dict[str, Any]],
    mlflow: Mlflow,
) -> None:
    private, public = new_key()
    settings = {"registry": f"{mlflow.url}/housing-price", "public_keys": public}
    service = start(tmp_path, ready="/health/live", poll_seconds=0.1, **settings)
    assert service.client.get("/health/ready").status_code == 503
    first = mlflow.promote(models.first.bundle, private)
    until(lambda: service.client.get("/health/ready").status_code == 200)
    assert predicts(service, instances, first)
    told = service.client.get("/api/v1/model").json()
    assert (told["loaded_from"], told["metrics"]) == ("MLflow", {"rmse": 41_000.0})

    mlflow.process.send_signal(signal.SIGSTOP)
    until(lambda: is_left_alone(service, "MLflow"))
    assert predicts(service, instances, first)

    mlflow.process.send_signal(signal.SIGCONT)
    second = mlflow.promote(models.second.bundle, private)
    until(lambda: predicts(service, instances, second))
    until(lambda: service.deep()["status"] == "ok")

    mlflow.stop()
    until(lambda: is_left_alone(service, "MLflow"))
    service.stop(9)
    restarted = start(tmp_path, **settings)
    assert predicts(restarted, instances, second)
    assert "last good" in restarted.client.get("/api/v1/model").json()["loaded_from"]
