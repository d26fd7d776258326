"""What delivers the platform: workflows, images, the platform on one machine, the rollout."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
DOCKERFILE = (ROOT / "Dockerfile").read_text()
TRAINING = {"prefect", "mlflow", "scikit-learn", "pandas", "pyarrow", "wandb", "optuna", "onnx"}


def steps(workflow: Path) -> list[dict[str, Any]]:
    jobs = yaml.safe_load(workflow.read_text())["jobs"].values()
    return [step for job in jobs for step in job["steps"]]


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_actions_are_pinned_to_commits_whose_version_is_named(workflow: Path) -> None:
    uses = re.findall(r"uses: (.+)", workflow.read_text())

    assert uses
    for action in uses:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), action


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_may_do_no_more_than_it_says_and_keeps_no_credentials(workflow: Path) -> None:
    document = yaml.safe_load(workflow.read_text())
    allowed = [
        document["permissions"],
        *(job.get("permissions") for job in document["jobs"].values()),
    ]

    for permissions in filter(None, allowed):
        assert permissions.get("contents", "read") == "read"
        assert set(permissions) <= {"contents", "id-token"}
    for step in steps(workflow):
        if step.get("uses", "").startswith("actions/checkout"):
            assert step["with"] == {"persist-credentials": False}
    assert all("timeout-minutes" in job for job in document["jobs"].values())


def test_workflows_run_the_tasks_that_people_run() -> None:
    tasks = set(re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    commands = [step["run"] for workflow in WORKFLOWS for step in steps(workflow) if "run" in step]
    made = [task for line in commands for task in re.findall(r"^make (.+)$", line, re.MULTILINE)]

    assert {task for line in made for task in line.split()} <= tasks
    assert {"lint", "coverage", "smoke", "audit", "sbom", "images", "push", "rollout"} <= set(
        " ".join(made).split()
    )


def test_the_images_are_locked_and_run_as_nobody_in_particular() -> None:
    stages = re.split(r"\n(?=FROM )", DOCKERFILE)
    targets = {stage.split()[3]: stage for stage in stages if stage.startswith("FROM")}

    assert re.search(r"^ARG PYTHON_IMAGE=python:\d+\.\d+\.\d+-slim-\w+$", DOCKERFILE, re.MULTILINE)
    assert all("--require-hashes" in targets[f"{name}-libraries"] for name in ("serve", "pipeline"))
    for name in ("serve", "pipeline"):
        assert "USER 10001:10001" in targets[name]
    assert "HEALTHCHECK" in targets["serve"]
    assert "exec python -m serve" in targets["serve"]
    assert "$PORT" in targets["serve"]


def test_the_service_is_locked_to_the_pipelines_versions_and_no_training_library() -> None:
    def pinned(name: str) -> set[str]:
        return set(re.findall(r"^([\w.-]+==[^ ;]+)", (ROOT / name).read_text(), re.MULTILINE))

    service = pinned("requirements-serve.lock")
    assert service <= pinned("requirements.lock")
    assert not TRAINING & {entry.partition("==")[0] for entry in service}


def test_every_service_is_checked_and_waits_for_what_it_needs() -> None:
    services = COMPOSE["services"]
    once = {"deploy"}

    for name, service in services.items():
        if name not in once:
            assert "healthcheck" in service, name
        for needed, how in service.get("depends_on", {}).items():
            wanted = "service_completed_successfully" if needed in once else "service_healthy"
            assert how == {"condition": wanted}, f"{name} on {needed}"
        assert not service.get("image", "").endswith("latest"), name
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), name
    assert set(services) >= {
        *("postgres", "mlflow", "prefect", "worker", "gcs", "service", "prometheus", "grafana"),
        "alertmanager",
    }


def test_containers_keep_data_and_releases_in_the_emulated_bucket_and_tell_who_is_set() -> None:
    services = COMPOSE["services"]

    for name in ("deploy", "worker"):
        environment = services[name]["environment"]
        assert environment["HOUSING_STORAGE_BLOCK"] == "gcs-bucket/housing"
        assert "HOUSING_NOTIFICATION_URL" in environment
    assert services["service"]["environment"]["HOUSING_SERVE_RELEASES"] == "gs://housing/releases"
    asked = yaml.safe_load((ROOT / "deployments" / "prometheus" / "prometheus.yml").read_text())
    (told,) = asked["alerting"]["alertmanagers"]
    assert told["static_configs"] == [{"targets": ["alertmanager:9093"]}]


def test_the_projects_own_containers_have_no_rights_and_a_read_only_root() -> None:
    for name in ("mlflow", "prefect", "deploy", "worker", "service"):
        service = COMPOSE["services"][name]
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]


class Answers(BaseHTTPRequestHandler):
    """A service that answers as it is told."""

    price: ClassVar[float] = 440_000.0

    def do_GET(self) -> None:
        self._send({"status": "ready", "model_version": "7", "channel": "champion"})

    def do_POST(self) -> None:
        rich = {
            "predicted_price": self.price,
            "prediction_interval": {"lower": 400_000.0, "upper": 500_000.0, "level": 0.9},
        }
        poor = {**rich, "predicted_price": 80_000.0}
        self._send({"model_version": "7", "predictions": [rich, poor]})

    def _send(self, body: object) -> None:
        content = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def service() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def verify(*arguments: str) -> subprocess.CompletedProcess[str]:
    script = ROOT / "deployments" / "cloud_run" / "verify.py"
    return subprocess.run(
        [sys.executable, str(script), *arguments], capture_output=True, text=True, check=False
    )


def test_the_rollouts_check_accepts_a_service_that_makes_sense(service: str) -> None:
    found = verify(service, "7")

    assert (found.returncode, found.stderr) == (0, "")
    assert "version 7 is ready" in found.stdout


def test_the_rollouts_check_refuses_nonsense_another_version_and_silence(
    service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "not 8" in verify(service, "8").stderr
    assert "did not answer" in verify("http://127.0.0.1:9").stderr
    monkeypatch.setattr(Answers, "price", 45.26)
    found = verify(service)
    assert (found.returncode, found.stdout) == (1, "")
    assert "priced at 45" in found.stderr


def test_the_scripts_of_the_rollout_are_sound_shell() -> None:
    for script in (ROOT / "deployments" / "cloud_run").glob("*.sh"):
        subprocess.run(["bash", "-n", str(script)], check=True)
        assert "set -euo pipefail" in script.read_text()
