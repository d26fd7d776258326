"""The whole platform on this machine: started by one command, used as people do, stopped again."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import httpx

from tests.flows.test_retrain import SMALL
from tests.integration.platform_process import ROOT, SECRET

if TYPE_CHECKING:
    from tests.integration.platform_process import Platform

ENDLESS = SMALL | {"sweep": {"trials": 10_000, "folds": 2}}


def test_every_page_answers_when_it_says_ready(platform: Platform) -> None:
    for page in (platform.prefect, platform.mlflow, f"{platform.service}/health/live"):
        assert httpx.get(page, trust_env=False, follow_redirects=True).is_success, page
    assert {path.stem for path in (platform.home / "logs").iterdir()} == {
        *("prefect", "mlflow", "service", "worker", "deploy")
    }


def test_every_deployment_is_there_with_its_form(platform: Platform) -> None:
    deployments = {item["name"]: item for item in platform.ask("deployments")}
    wanted = {"retrain", "retrain-weekly", "monitor", "score", "promote", "roll-back"}
    assert wanted <= set(deployments)
    for name, deployment in deployments.items():
        assert deployment["enforce_parameter_schema"], name
        assert deployment["description"], name
        assert "housing" in deployment["tags"], name
    form = deployments["retrain"]["parameter_openapi_schema"]
    assert form["definitions"]["SweepConfig"]["properties"]["trials"]["description"]
    assert deployments["retrain-cloud-run"]["work_pool_name"] == "housing-cloud-run"


def test_the_weekly_retrain_is_scheduled_for_sunday_at_two(platform: Platform) -> None:
    runs = platform.wait_for(lambda: platform.runs("retrain-weekly"))
    assert {run["state_name"] for run in runs} == {"Scheduled"}
    (first, *_) = sorted(run["expected_start_time"] for run in runs)
    moment = time.strptime(first[:16], "%Y-%m-%dT%H:%M")
    assert (moment.tm_wday, moment.tm_hour, moment.tm_min) == (6, 2, 0)


def test_a_wrong_parameter_is_refused_before_it_runs(platform: Platform) -> None:
    path = f"deployments/{platform.deployment('retrain')['id']}/create_flow_run"
    answer = platform.post(path, {"parameters": {"config": {"sweep": {"trials": "many"}}}})
    assert answer.status_code in {409, 422}
    assert "trials" in answer.text


def test_a_killed_run_is_told_as_crashed_and_its_retry_goes_on_from_the_finished_stages(
    platform: Platform,
) -> None:
    long = SMALL | {"sweep": {"trials": 10_000, "folds": 2, "minutes": 0.1}}
    output = platform.command(
        *("deployment", "run", "retrain/retrain", "--params", json.dumps({"config": long}))
    )
    run = output.partition("UUID: ")[2].split()[0]
    platform.wait_for(lambda: "sweep" in [task["name"] for task in platform.tasks(run)])
    os.kill(platform.pid(run), signal.SIGKILL)
    platform.wait(run, "Crashed")
    platform.wait_until_told("retrain crashed", "SIGKILL", f"/runs/flow-run/{run}")

    platform.command("flow-run", "retry", run)
    platform.wait(run, "Completed")
    cached = {task["name"] for task in platform.tasks(run) if task["state_name"] == "Cached"}
    assert {"ingestion", "split", "imputation", "features", "selection"} <= cached
    assert httpx.get(f"{platform.service}/health/ready", trust_env=False).is_success


def test_a_failed_run_is_told_with_its_reason_and_a_link(platform: Platform) -> None:
    run = platform.start("retrain", SMALL | {"data": {"url": "/no/such/file.csv"}})
    platform.wait(run, "Failed")
    platform.wait_until_told("retrain failed", "/no/such/file.csv", f"/runs/flow-run/{run}")


def test_late_runs_of_a_schedule_run_once_and_a_rejected_model_is_told(platform: Platform) -> None:
    worse = SMALL | {"selection": {"folds": 2, "candidates": [{"model": "decision_tree"}]}}
    late = {"type": "SCHEDULED", "state_details": {"scheduled_time": "2026-01-04T02:00:00Z"}}
    runs = [platform.start("retrain-weekly", worse, state=late) for _ in range(3)]
    ends = [platform.wait(run, "Completed", "Cancelled")["state_name"] for run in runs]
    assert sorted(ends) == ["Cancelled", "Cancelled", "Completed"]
    done = runs[ends.index("Completed")]
    platform.wait_until_told("The gate rejected version", "wMAPE", f"/runs/flow-run/{done}")


def test_drift_starts_a_retrain_and_cancelling_it_stops_its_work(
    platform: Platform,
) -> None:
    before = {run["id"] for run in platform.runs("retrain")}
    event = {
        "occurred": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "event": "housing.drift.detected",
        "resource": {"prefect.resource.id": "housing.model.champion"},
        "id": str(uuid4()),
    }
    platform.post("events", [event]).raise_for_status()
    (run,) = platform.wait_for(lambda: {run["id"] for run in platform.runs("retrain")} - before)
    platform.wait_for(lambda: platform.tasks(run))
    pid = platform.pid(run)
    platform.command("flow-run", "cancel", run)
    platform.wait(run, "Cancelled")
    assert not Path(f"/proc/{pid}").exists()


def test_no_secret_is_in_logs_parameters_or_results(platform: Platform) -> None:
    kept = [path for path in platform.home.rglob("*") if path.is_file()]
    assert kept
    assert [path for path in kept if SECRET.encode() in path.read_bytes()] == []


def test_an_interrupt_ends_everything_and_leaves_nothing_behind(platform: Platform) -> None:
    run = platform.start("retrain", ENDLESS)
    platform.wait(run, "Running")
    assert len(platform.processes()) > 5
    platform.process.send_signal(signal.SIGINT)
    _, said = platform.process.communicate(timeout=60)
    assert platform.process.returncode == 0
    assert said.endswith("stopped\n")
    assert platform.processes() == []


def test_a_port_in_use_is_said_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "deployments.up", f"--mlflow-port={port}"],
            capture_output=True,
            text=True,
            cwd=ROOT,
            check=False,
            timeout=60,
        )
    assert done.returncode == 1
    assert f"port {port} of mlflow is in use" in done.stderr
