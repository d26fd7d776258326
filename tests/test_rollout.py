"""The rollout to Cloud Run, with a gcloud that records what it is asked and fails on request."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.test_delivery import Answers, service
from tests.waiting import PATIENCE_SECONDS

__all__ = ["service"]

ROOT = Path(__file__).parents[1]
GCLOUD = """#!/bin/sh
echo "$@" >> "$LOG"
case "$*" in
  *print-identity-token*) echo a-token ;;
  *"$BROKEN"*) exit 1 ;;
  *"services describe"*) cat "$STATE/service" ;;
  *"jobs describe"*) cat "$STATE/job" ;;
esac
"""


class Rollout(NamedTuple):
    """How it ended, and what gcloud was asked to change, in order."""

    code: int
    changes: list[str]
    said: str

    @property
    def shares(self) -> list[str]:
        return [
            found for line in self.changes for found in re.findall("--to-revisions (.+?) --", line)
        ]

    @property
    def images(self) -> list[str]:
        return [
            found
            for line in self.changes
            for found in re.findall("jobs update (.+?) --region", line)
        ]


Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path, service: str) -> Start:
    """Start the rollout beside a service whose traffic is split."""
    gcloud = tmp_path / "gcloud"
    gcloud.write_text(GCLOUD)
    gcloud.chmod(0o755)
    traffic = [
        {"revisionName": "housing-00001", "percent": 70},
        {"revisionName": "housing-00002", "percent": 30},
        {"revisionName": "housing-00003", "tag": "candidate", "url": service},
    ]
    (tmp_path / "service").write_text(json.dumps({"status": {"url": service, "traffic": traffic}}))
    spec = {"containers": [{"image": "registry/housing/pipeline:v1.1.0"}]}
    job = {"spec": {"template": {"spec": {"template": {"spec": spec}}}}}
    (tmp_path / "job").write_text(json.dumps(job))

    def run(pause: str = "0", broken: str = "nothing", **more: str) -> subprocess.Popen[str]:
        environment = {
            "PATH": f"{tmp_path}:/usr/bin:/bin",
            "LOG": str(tmp_path / "log"),
            "STATE": str(tmp_path),
            "BROKEN": broken,
            "REGISTRY": "registry/housing",
            "TAG": "v1.2.0",
            "REGION": "here",
            "PAUSE": pause,
            **more,
        }
        script = ROOT / "deployments" / "cloud_run" / "rollout.sh"
        return subprocess.Popen(
            ["/usr/bin/env", "--default-signal=INT", str(script)],  # whoever runs the tests
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    return run


def end(process: subprocess.Popen[str], folder: Path) -> Rollout:
    said = process.communicate(timeout=PATIENCE_SECONDS)[1]
    lines = (folder / "log").read_text().splitlines()
    changes = [
        line for line in lines if re.search(r"run (deploy|services update|jobs update)", line)
    ]
    return Rollout(process.returncode, changes, said)


def test_one_release_moves_the_service_in_steps_and_then_the_jobs(
    start: Start, tmp_path: Path
) -> None:
    found = end(start(), tmp_path)

    assert (found.code, found.said) == (0, "")
    assert "--image registry/housing/serve:v1.2.0 --no-traffic --tag candidate" in found.changes[0]
    assert "suffix" not in found.changes[0]  # a name of ours would keep Terraform out afterwards
    assert found.shares == [f"housing-00003={percent}" for percent in (10, 50, 100)]
    assert found.images == [
        f"{job} --image registry/housing/pipeline:v1.2.0"
        for job in ("housing-retrain", "housing-monitor", "housing-retention")
    ]
    assert found.changes.index(found.changes[-2]) > 3


def test_a_candidate_that_prices_badly_gets_no_traffic_and_the_split_is_as_it_was(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Answers, "price", 45.26)
    found = end(start(), tmp_path)

    assert found.code == 1
    assert found.shares == ["housing-00001=70,housing-00002=30"]
    assert found.images == []


def test_a_job_that_cannot_be_updated_takes_all_back(start: Start, tmp_path: Path) -> None:
    found = end(start(broken="update housing-monitor"), tmp_path)

    assert found.code == 1
    assert found.shares[-1] == "housing-00001=70,housing-00002=30"
    assert "housing-retrain --image registry/housing/pipeline:v1.1.0" in found.images
    assert "NOT ALL WENT BACK" in found.said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_rollout_that_is_stopped_goes_back(
    start: Start, tmp_path: Path, number: signal.Signals
) -> None:
    process = start(pause="600")
    log = tmp_path / "log"
    while not log.exists() or "housing-00003=10" not in log.read_text():
        assert process.poll() is None
        time.sleep(0.05)
    os.kill(process.pid, number)
    found = end(process, tmp_path)

    assert found.code == 128 + number
    assert found.shares[-1] == "housing-00001=70,housing-00002=30"
