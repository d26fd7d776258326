"""MLflow and Prefect that ask for a password: who has none is told what to set."""

from __future__ import annotations

import shutil
import sys
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import httpx
import pytest
from cryptography.fernet import Fernet
from prefect import __version__
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

from benchmarks.server import Server
from housing_ml.config.retention import RetentionConfig
from housing_ml.orchestration.prefect_server import ServerError
from housing_ml.orchestration.runs import session
from housing_ml.records.retrain import RegisteredVersion
from housing_ml.registry.announcements import announce_to, stop_announcing_to
from housing_ml.registry.models import RegistryError, holds, registry_client
from housing_ml.retention.mlflow_runs import old_runs
from housing_ml.settings import Settings
from serve.api.security import Signature, is_signed
from serve.settings import from_environment
from serve.sources.registry import RegistryAlias, credentials
from serve.sources.remote import UnreachableError
from tests.documents import ROOT
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from housing_ml.releases.records import Channels

VERSION = RegisteredVersion(name="price", version="1", run_id="r", bundle_digest="d" * 64)
NAMES = ("USERNAME", "PASSWORD", "TOKEN")
BASIC = {"MLFLOW_TRACKING_USERNAME": "me", "MLFLOW_TRACKING_PASSWORD": "secret"}
TOKEN = {"MLFLOW_TRACKING_TOKEN": "a-token"}
NOBODY: dict[str, str] = {}
WRONG = {**BASIC, "MLFLOW_TRACKING_PASSWORD": "guessed"}
SECRET = "between MLflow and the service"  # noqa: S105 - of this test


@pytest.fixture(scope="module")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A real MLflow server that asks who it is, and may call this machine's services."""
    folder = tmp_path_factory.mktemp("mlflow")
    places = {
        "FILE_STORE": f"sqlite:///{folder}/mlflow.db",
        "ARTIFACT_ROOT": "mlflow-artifacts:/",
        "ARTIFACT_DESTINATION": str(folder / "artifacts"),
        "SERVE_ARTIFACTS": "true",
    }
    settings = {
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http",
        "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
        "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": Fernet.generate_key().decode(),
    }
    command = [sys.executable, "-m", "uvicorn", "tests.guarded_mlflow:app", "--port", "{port}"]
    environment = {f"_MLFLOW_SERVER_{name}": place for name, place in places.items()} | settings
    with Server(command, environment, folder=ROOT, ready="/health") as server:
        yield server


@pytest.fixture
def settings(mlflow: Server, tmp_path: Path) -> Settings:
    """The pipeline's settings for that server."""
    return Settings(home=tmp_path, mlflow_tracking_uri=mlflow.url)


def become(patch: pytest.MonkeyPatch, who: dict[str, str]) -> None:
    """Let the environment name somebody."""
    for name in NAMES:
        patch.delenv(f"MLFLOW_TRACKING_{name}", raising=False)
    for variable, value in who.items():
        patch.setenv(variable, value)


@pytest.mark.parametrize("who", [NOBODY, WRONG], ids=["nobody", "a wrong password"])
def test_a_refusal_of_mlflow_is_an_error_with_what_to_set_and_never_a_held_version(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, who: dict[str, str]
) -> None:
    become(monkeypatch, who)
    with pytest.raises(RegistryError, match=r"401.*MLFLOW_TRACKING_USERNAME"):
        holds(VERSION, settings)
    with (
        pytest.raises(RegistryError, match=r"401.*MLFLOW_TRACKING_USERNAME"),
        registry_client(settings) as client,
    ):
        client.search_registered_models()


def latest(place: str, who: dict[str, str]) -> Channels:
    """Ask MLflow as a service does that has these credentials."""
    alias = RegistryAlias(place, "champion", credentials(from_environment(who)))
    try:
        return alias.latest()
    finally:
        alias._remote._client.close()


@pytest.mark.parametrize("who", [BASIC, TOKEN], ids=["a password", "a token"])
def test_pipeline_and_service_reach_mlflow_with_the_same_credentials(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, who: dict[str, str]
) -> None:
    become(monkeypatch, who)
    with registry_client(settings) as client:  # the first request makes the database
        assert list(client.search_model_versions("name = 'nothing'")) == []
    assert not holds(VERSION, settings)
    place = f"{settings.mlflow_tracking_uri}/nothing"
    assert latest(place, who).channels == {}
    with pytest.raises(UnreachableError, match=r"refuses the service's credentials \(401"):
        latest(place, NOBODY)


def test_runs_on_a_server_are_deleted_with_their_files_there(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    become(monkeypatch, BASIC)
    later = datetime.now(UTC) + timedelta(days=100)
    with registry_client(settings) as client:
        run = client.create_run(client.create_experiment("monitoring")).info.run_id
        client.log_text(run, "words", "report.html")
        client.set_terminated(run)

        found = old_runs(settings, ["monitoring"], later, RetentionConfig())
        assert found.names == [run]
        found.delete(found.names)

        assert old_runs(settings, ["monitoring"], later, RetentionConfig()).names == []
        assert client.get_run(run).info.lifecycle_stage == "deleted"
        assert client.list_artifacts(run) == []


class _Service(BaseHTTPRequestHandler):
    """Takes announcements as the service's route does."""

    taken: list[bytes]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        names = ("Signature", "Delivery-Id", "Timestamp")
        signature = Signature(*(self.headers[f"X-MLflow-{name}"] for name in names))
        signed = is_signed(SECRET, signature, body)
        self.taken += [body] if signed else []
        self.send_response(202 if signed else 403)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


def test_mlflow_tells_a_service_of_each_promotion_until_it_is_told_to_stop(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    become(monkeypatch, BASIC)
    _Service.taken = []
    with ThreadingHTTPServer(("127.0.0.1", 0), _Service) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/webhooks/release"
        with pytest.raises(RegistryError, match="HOUSING_SERVE_WEBHOOK_SECRET"):
            announce_to(url, "another secret", settings)
        assert "202" in announce_to(url, SECRET, settings)
        assert "202" in announce_to(url, SECRET, settings)

        before = len(_Service.taken)
        with registry_client(settings) as client:
            assert len(client.list_webhooks()) == 1
            client.create_registered_model("announced")
            run = client.create_run(client.create_experiment("announced")).info.run_id
            client.create_model_version("announced", f"runs:/{run}/bundle", run)
            client.set_registered_model_alias("announced", "champion", "1")
        until(lambda: len(_Service.taken) == before + 1)
        assert b"champion" in _Service.taken[-1]

        assert stop_announcing_to(url, settings)
        assert not stop_announcing_to(url, settings)
        server.shutdown()


def test_prefect_with_a_password_is_used_with_it_and_shows_its_page_from_a_folder_of_its_own(
    prefect_server: str, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    assert prefect_server  # it has left a migrated database
    database = tmp_path / "prefect.db"
    shutil.copy(pytestconfig.cache.mkdir("prefect") / f"{__version__}.db", database)
    settings = {
        "PREFECT_SERVER_API_AUTH_STRING": "me:secret",
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{database}",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_API_BLOCKS_REGISTER_ON_START": "0",
        "PREFECT_SERVER_UI_V2_ENABLED": "false",
        "PREFECT_UI_STATIC_DIRECTORY": str(tmp_path),
    }
    command = [sys.executable, "-m", "uvicorn", "--factory", "prefect.server.api.server:create_app"]
    with (
        Server([*command, "--port", "{port}"], settings, ready="/api/health") as server,
        temporary_settings({PREFECT_API_URL: f"{server.url}/api"}),
    ):
        assert 'id="app"' in httpx.get(server.url).text
        assert (tmp_path / "v1").is_dir()
        for wrong in (None, "me:guessed"):
            with (
                temporary_settings({PREFECT_API_AUTH_STRING: wrong}),
                pytest.raises(ServerError, match=r"401.*PREFECT_API_AUTH_STRING"),
                session(),
            ):
                pass
        with (
            temporary_settings({PREFECT_API_AUTH_STRING: "me:secret"}),
            session(),
            get_client(sync_client=True) as client,
        ):
            assert isinstance(client.read_flows(), list)
