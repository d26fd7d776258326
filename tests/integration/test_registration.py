"""Registering the deployments on a real Prefect server, once and again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from prefect.automations import Automation
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.objects import State, StateType
from prefect.client.schemas.schedules import CronSchedule
from prefect.states import Pending, Running

from deployments.cloud_settings import CloudSettings
from deployments.deploy import ROOT, deploy
from deployments.mending import mend
from deployments.switches import ours
from housing_ml.orchestration.one_retrain import ONE_RETRAIN
from housing_ml.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from uuid import UUID

    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.responses import DeploymentResponse

CLOUD = CloudSettings(
    image="registry/pipeline:v1",
    region="europe-north1",
    account="housing-retrain@project.iam.gserviceaccount.com",
    data_url="gs://bucket/housing.tgz",
    mlflow_password_secret="housing-mlflow-password",  # noqa: S106 - the secret's name
)


@pytest.fixture(scope="module")
def client(prefect_server: str) -> Iterator[SyncPrefectClient]:
    """A client of the tests' own server."""
    assert prefect_server
    with get_client(sync_client=True) as opened:
        yield opened


@pytest.fixture(scope="module")
def registered(prefect_server: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """All deployments, registered from a home folder that no worker has."""
    assert prefect_server
    home = tmp_path_factory.mktemp("deployers-home")
    settings = Settings(
        home=home,
        data_url=str(home / "rows.csv"),
        mlflow_tracking_uri="http://mlflow:5000",
        notification_url="http://127.0.0.1:9/told",
    )
    deploy(settings, CLOUD)
    return settings


def named(client: SyncPrefectClient, name: str) -> DeploymentResponse:
    return next(item for item in ours(client) if item.name == name)


def test_no_path_of_the_machine_that_registers_is_on_the_server(
    client: SyncPrefectClient, registered: Settings
) -> None:
    documents = [
        *(item.model_dump_json() for item in ours(client)),
        *(json.dumps(pool.base_job_template) for pool in client.read_work_pools()),
    ]
    assert len(documents) > 8
    for document in documents:
        assert str(registered.home) not in document
        assert str(ROOT) not in document


def test_the_job_on_cloud_run_has_what_the_settings_say(
    client: SyncPrefectClient, registered: Settings
) -> None:
    assert registered
    template = client.read_work_pool("housing-cloud-run").base_job_template
    given = {
        name: field.get("default") for name, field in template["variables"]["properties"].items()
    }
    assert given["image"] == "registry/pipeline:v1"
    assert given["region"] == "europe-north1"
    assert given["service_account_name"] == CLOUD.account
    assert given["env"]["HOUSING_DATA_URL"] == "gs://bucket/housing.tgz"
    assert given["env"]["HOUSING_MLFLOW_TRACKING_URI"] == "http://mlflow:5000"
    assert given["env_from_secrets"]["MLFLOW_TRACKING_PASSWORD"] == {
        "secret": "housing-mlflow-password",
        "version": "latest",
    }
    assert "image" not in (named(client, "retrain-cloud-run").job_variables or {})


def test_all_retrains_share_one_limit(client: SyncPrefectClient, registered: Settings) -> None:
    assert registered
    assert client.read_global_concurrency_limit_by_name(ONE_RETRAIN).limit == 1


def automations() -> dict[str, Any]:
    names = ("housing-silent-run", "retrain-when-the-monitor-wants-it", "housing-failure")
    with get_client(sync_client=True) as client:
        return {name: client.read_automations_by_name(name)[0] for name in names}


def add(client: SyncPrefectClient, name: str, entrypoint: str) -> UUID:
    """Register an hourly deployment that `prefect.yaml` does not name."""
    return client.create_deployment(
        flow_id=named(client, "monitor").flow_id,
        name=name,
        entrypoint=entrypoint,
        tags=["housing"],
        schedules=[DeploymentScheduleCreate(schedule=CronSchedule(cron="0 * * * *"))],
    )


def test_registering_again_keeps_what_people_switched_off_and_ends_what_is_documented_no_more(
    client: SyncPrefectClient, registered: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    weekly, monitor = named(client, "retrain-weekly"), named(client, "monitor")
    old = add(client, "monitor-hourly", "flows.monitor.monitor")
    foreign = add(client, "somebody-elses", "theirs.py:flow")
    client.update_deployment_schedule(weekly.id, weekly.schedules[0].id, active=False)
    client.pause_deployment(monitor.id)
    before = automations()
    updated: list[str] = []
    monkeypatch.setattr(Automation, "update", lambda self: updated.append(self.name))

    deploy(registered, CLOUD)

    (schedule,) = named(client, "retrain-weekly").schedules
    assert (schedule.id, schedule.active) == (weekly.schedules[0].id, False)
    assert named(client, "monitor").paused
    assert updated == []
    assert automations() == before
    assert client.read_deployment(old).schedules == []
    assert len(client.read_deployment(foreign).schedules) == 1


def run_of(client: SyncPrefectClient, deployment: str, state: State[Any], pid: str) -> Any:
    run = client.create_flow_run_from_deployment(named(client, deployment).id)
    client.update_flow_run(run.id, infrastructure_pid=pid)
    client.set_flow_run_state(run.id, Pending(), force=True)
    client.set_flow_run_state(run.id, state, force=True)
    return run.id


def kind(client: SyncPrefectClient, run: UUID) -> StateType:
    state = client.read_flow_run(run).state
    assert state
    return state.type


def test_a_worker_that_starts_marks_runs_whose_process_is_gone(
    client: SyncPrefectClient, registered: Settings
) -> None:
    assert registered
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    host = os.uname().nodename
    dead = run_of(client, "sweep", Running(), f"{host}:{ended.pid}")
    reused = run_of(client, "sweep", Running(), f"{host}:{os.getpid()}")
    elsewhere = run_of(client, "sweep", Running(), "another-machine:12")

    mend(client)
    assert [kind(client, run) for run in (dead, reused)] == [StateType.CRASHED] * 2
    assert kind(client, elsewhere) == StateType.RUNNING

    mend(client, silent_after=timedelta(0))
    assert kind(client, elsewhere) == StateType.CRASHED


def execute(client: SyncPrefectClient, home: str) -> tuple[StateType, str]:
    """Roll back as a worker's process does; return how the run ended, and its own log."""
    run = client.create_flow_run_from_deployment(
        named(client, "roll-back").id, name=uuid4().hex, parameters={"why": "a test", "by": "it"}
    )
    environment = os.environ | {"HOUSING_HOME": home, "PREFECT__FLOW_RUN_ID": str(run.id)}
    engine = [sys.executable, "-m", "prefect.engine"]
    subprocess.run(engine, env=environment, cwd="/", capture_output=True, check=False)
    logs = client.request(
        "POST", "/logs/filter", json={"logs": {"flow_run_id": {"any_": [str(run.id)]}}}
    )
    return kind(client, run.id), "\n".join(item["message"] for item in logs.json())


def test_a_run_that_fails_in_the_workers_own_home_leaves_no_exception_there(
    client: SyncPrefectClient, registered: Settings, tmp_path: Path
) -> None:
    assert registered
    home = tmp_path / "workers-home"
    state, log = execute(client, str(home))

    assert state == StateType.FAILED
    assert "no champion" in log
    assert home.is_dir()
    assert [file for file in (home / "storage").rglob("*") if file.is_file()] == []


@pytest.mark.parametrize(
    ("home", "said"),
    [(".housing", "is no absolute path"), ("/dev/null/home", "cannot be written on this worker")],
)
def test_a_run_that_cannot_start_says_why_in_its_own_log(
    client: SyncPrefectClient, registered: Settings, home: str, said: str
) -> None:
    assert registered
    _, log = execute(client, home)

    assert said in log
