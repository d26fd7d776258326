"""The whole platform on this machine: started by one command, used as people do, stopped again."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote
from uuid import uuid4

import httpx
import pytest

from housing_ml.reporting.practice import NOTHING_IS_WRONG
from tests.flows.test_retrain import FEW, SMALL
from tests.integration.monitoring_loop import LEARNER, Loop, estimates
from tests.integration.platform_process import ROOT, SECRET, free_ports
from tests.waiting import PATIENCE_SECONDS

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

    from tests.integration.platform_process import Platform

WATCHED = shutil.which("prometheus") and shutil.which("prometheus-alertmanager")
QUICK = SMALL | {name: SMALL[name] | few for name, few in FEW.items()}
ENDLESS = QUICK | {"sweep": {"trials": 10_000, "folds": 2}}
RULES = "deployments/prometheus/housing.rules.yml"
BRIEF = QUICK | {"sweep": {"trials": 10_000, "folds": 2, "minutes": 0.05}}
FROM_THE_PAGE = "from-the-page"


class Person(NamedTuple):
    """A page of the browser, and what it has asked for."""

    page: Page
    asked: list[str]


@pytest.fixture(scope="module")
def person(browser: Browser) -> Person:
    """A person who looks at Prefect's pages; they do nothing while nobody looks."""
    page = browser.new_page(viewport={"width": 1400, "height": 1400})
    page.set_default_timeout(1000 * PATIENCE_SECONDS)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    return Person(page, asked)


def from_the_page(platform: Platform) -> str:
    """The run that the form started, or one as it, where no browser did: its identity."""
    runs = [run["id"] for run in runs_from_the_page(platform)]
    return runs[0] if runs else platform.start("retrain", BRIEF, name=FROM_THE_PAGE)


def runs_from_the_page(platform: Platform) -> list[dict[str, Any]]:
    """All that have the name which the form is given."""
    return [run for run in platform.runs("retrain") if run["name"] == FROM_THE_PAGE]


def test_every_page_answers_when_it_says_ready(platform: Platform) -> None:
    for page in (platform.prefect, platform.mlflow, f"{platform.service}/health/live"):
        assert httpx.get(page, trust_env=False, follow_redirects=True).is_success, page
    assert {path.stem for path in (platform.home / "logs").iterdir()} == {
        *("prefect", "mlflow", "service", "worker", "deploy"),
        *(("prometheus", "alertmanager") if WATCHED else ()),
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
    assert "retrain-cloud-run" not in deployments  # no image is named


def test_the_weekly_retrain_is_scheduled_for_sunday_at_two(platform: Platform) -> None:
    runs = platform.wait_for(
        lambda: [run for run in platform.runs("retrain-weekly") if run["auto_scheduled"]]
    )
    assert {run["state_name"] for run in runs} == {"Scheduled"}
    (first, *_) = sorted(run["expected_start_time"] for run in runs)
    moment = time.strptime(first[:16], "%Y-%m-%dT%H:%M")
    assert (moment.tm_wday, moment.tm_hour, moment.tm_min) == (6, 2, 0)


def test_a_wrong_parameter_is_refused_before_it_runs(platform: Platform) -> None:
    path = f"deployments/{platform.deployment('retrain')['id']}/create_flow_run"
    answer = platform.post(path, {"parameters": {"config": {"sweep": {"trials": "many"}}}})
    assert answer.status_code in {409, 422}
    assert "trials" in answer.text


def test_a_person_fills_the_form_and_the_run_starts(
    platform: Platform, person: Person, screenshots: Path
) -> None:
    from playwright.sync_api import expect  # noqa: PLC0415 - the browser is here

    page, before = person.page, {run["id"] for run in runs_from_the_page(platform)}
    page.goto(f"{platform.prefect}/deployments")
    page.get_by_role("link", name="retrain", exact=True).first.click()
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_text("Custom run").click()
    page.get_by_text("Trials; 0 keeps the selected parameters.").wait_for()
    page.screenshot(path=screenshots / "form.png")
    page.goto(f"{page.url.partition('?')[0]}?parameters={in_address({'config': BRIEF})}")
    trials = field(page, "Trials (Optional)")
    expect(trials).to_have_value(str(BRIEF["sweep"]["trials"]))
    trials.fill("9999")
    field(page, "Run Name").fill(FROM_THE_PAGE)
    page.screenshot(path=screenshots / "filled.png")
    page.get_by_role("button", name="Submit").click()
    page.get_by_role("link", name=FROM_THE_PAGE).first.click()
    page.get_by_text(re.compile("^(Running|Completed)$")).first.wait_for()
    page.screenshot(path=screenshots / "running.png")
    page.goto("about:blank")  # the run's moving picture takes a whole core
    (run,) = (run for run in runs_from_the_page(platform) if run["id"] not in before)
    assert run["parameters"]["config"]["sweep"]["trials"] == 9999


def test_a_killed_run_is_told_as_crashed_and_its_retry_goes_on_from_the_finished_stages(
    platform: Platform,
) -> None:
    run = from_the_page(platform)
    if platform.run(run)["state_name"] == "Completed":  # another test waited for it
        run = platform.start("retrain", BRIEF | {"sweep": BRIEF["sweep"] | {"minutes": 0.06}})
    platform.wait_for(lambda: "sweep" in [task["name"] for task in platform.tasks(run)])
    os.kill(platform.pid(run), signal.SIGKILL)
    platform.wait(run, "Crashed")
    platform.wait_until_told("retrain crashed", "SIGKILL", f"/runs/flow-run/{run}")
    platform.wait_until_logged("flow_runs.worker - Check whether the flow run exceeded")

    platform.command("flow-run", "retry", run)
    platform.wait(run, "Completed")
    cached = {task["name"] for task in platform.tasks(run) if task["state_name"] == "Cached"}
    assert {"ingestion", "split", "imputation", "features", "selection"} <= cached


def test_a_person_sees_what_the_run_did(
    platform: Platform, person: Person, screenshots: Path
) -> None:
    run = from_the_page(platform)
    platform.wait(run, "Completed")
    platform.wait_for(lambda: "report" in [task["name"] for task in platform.tasks(run)])
    page = person.page
    page.goto(f"{platform.prefect}/runs/flow-run/{run}")
    page.get_by_text("Completed", exact=True).first.wait_for()
    page.get_by_text("Artifacts", exact=True).click()
    page.get_by_text(re.compile("^figure-")).first.wait_for()
    page.screenshot(path=screenshots / "run.png")
    page.set_viewport_size(
        {"width": 1400, "height": 2400}
    )  # cards out of sight are not on the page
    page.get_by_text("summary", exact=True).first.click()
    page.get_by_role("heading", name="Retrain").wait_for()
    page.screenshot(path=screenshots / "summary.png")
    page.goto("about:blank")
    ours = (platform.prefect, "data:", "blob:")
    assert [url for url in person.asked if not url.startswith(ours)] == []


def test_a_failed_run_is_told_with_its_reason_and_a_link(platform: Platform) -> None:
    run = platform.start("retrain", QUICK | {"data": {"url": "/no/such/file.csv"}})
    platform.wait(run, "Failed")
    platform.wait_until_told("retrain failed", "/no/such/file.csv", f"/runs/flow-run/{run}")


def test_prices_double_the_monitor_finds_it_a_retrain_learns_it_and_the_error_is_down_again(
    platform: Platform,
) -> None:
    loop = Loop(platform)
    old = loop.some_champion()
    platform.wait_for(lambda: loop.served() == old)
    before = {run["id"] for run in platform.runs("retrain")}

    assert loop.simulate(windows=3) == [old]
    with platform.given("retrain", LEARNER):
        broken = loop.monitor()
        assert broken.retraining.retrain
        assert "actual_over_predicted" in {alarm.name for alarm in broken.alarms}
        assert "live wMAPE" in broken.live_error[0]
        (run,) = platform.wait_for(lambda: {run["id"] for run in platform.runs("retrain")} - before)
        platform.wait(run, "Completed")
    new = loop.champion
    assert new != old, platform.told
    platform.wait_for(lambda: loop.served() == new)

    assert loop.simulate(windows=3) == [new]
    mended = loop.report()
    assert mended.champion == new
    assert not mended.live_error
    assert estimates(mended, new).wmape.high < 0.75 * estimates(mended, old).wmape.low


def test_late_runs_of_a_schedule_run_once_and_a_rejected_model_is_told(platform: Platform) -> None:
    worse = QUICK | {
        "selection": {"folds": 2, "candidates": [{"model": "decision_tree"}]},
        "sweep": {"trials": 0},
    }
    assert Loop(platform).some_champion()
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


@pytest.mark.parametrize(
    ("event", "resource", "payload", "words"),
    [
        (
            "housing.monitor.alert",
            {"id": "housing.model.champion", "name": "version 7"},
            {"headline": "Alert on version 7: median_income."},
            ("alert on version 7", "median_income", "housing monitor"),
        ),
        (
            "prefect.work-pool.not-ready",
            {"id": "prefect.work-pool.1", "name": "housing"},
            {},
            ("No worker is in the pool housing", "make worker"),
        ),
        (
            "prefect.flow-run.Late",
            {"id": "prefect.flow-run.1", "name": "quiet-otter"},
            {},
            ("is late", "quiet-otter", "prefect work-pool inspect housing"),
        ),
        (
            "prefect.flow-run.Paused",
            {"id": "prefect.flow-run.2", "name": "busy-otter"},
            {},
            ("waits for a person", "busy-otter", "housing status"),
        ),
    ],
    ids=["monitor", "pool", "late", "paused"],
)
def test_people_are_told_what_to_look_at_and_what_to_type(
    platform: Platform,
    event: str,
    resource: dict[str, str],
    payload: dict[str, str],
    words: tuple[str, ...],
) -> None:
    occurred = {
        "occurred": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "event": event,
        "resource": {f"prefect.resource.{name}": value for name, value in resource.items()},
        "related": [{"prefect.resource.id": "prefect.tag.housing", "prefect.resource.role": "tag"}],
        "payload": payload,
        "id": str(uuid4()),
    }
    platform.post("events", [occurred]).raise_for_status()
    platform.wait_until_told(*words)


@pytest.mark.skipif(not WATCHED, reason="needs prometheus and prometheus-alertmanager")
def test_one_of_each_message_arrives_by_the_way_of_the_real_one(platform: Platform) -> None:
    alerts = set(re.findall("alert: (.+)", (ROOT / RULES).read_text()))
    done = subprocess.run(
        [sys.executable, "-m", "housing_ml.cli", "alerts", "test"],
        capture_output=True,
        text=True,
        env=os.environ
        | {
            "PREFECT_API_URL": f"{platform.prefect}/api",
            "HOUSING_PROMETHEUS_URL": platform.prometheus,
        },
        check=False,
        timeout=PATIENCE_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    told = [message for message in platform.told if NOTHING_IS_WRONG in message]
    assert {word for message in told for word in re.findall(r"Housing\w+", message)} == alerts
    assert len(told) == len(alerts) + 7
    for message in told:
        assert re.search("[Ll]ook", message), message
        assert re.search("[Tt]ype", message), message


def test_no_secret_is_in_logs_parameters_or_results(platform: Platform) -> None:
    kept = [path for path in platform.home.rglob("*") if path.is_file()]
    assert kept
    assert [path for path in kept if SECRET.encode() in path.read_bytes()] == []


def test_an_interrupt_ends_everything_and_leaves_nothing_behind(platform: Platform) -> None:
    run = platform.start("retrain", ENDLESS)
    platform.wait(run, "Running")
    assert len(platform.processes()) > 5
    platform.process.send_signal(signal.SIGINT)
    _, said = platform.process.communicate(timeout=PATIENCE_SECONDS)
    assert platform.process.returncode == 0
    assert said.endswith("stopped\n")
    assert platform.processes() == []
    held = list((platform.home / "prefect" / "concurrency_leases").glob("*-*.json"))
    assert held, "what the run held is forgotten, and will never be free"


def in_address(parameters: dict[str, Any]) -> str:
    """What Prefect's page puts into a form's address when a run is copied."""
    return quote(quote(json.dumps(parameters)))


def field(page: Page, label: str) -> Locator:
    """The innermost field of a form that has this label."""
    return page.locator(".p-label").filter(has_text=label).last.locator("input")


def test_a_port_in_use_is_said_at_once() -> None:
    (free,) = free_ports(1)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = subprocess.run(
            [
                *(sys.executable, "-m", "deployments.up"),
                *(f"--prefect-port={free}", f"--mlflow-port={port}"),
            ],
            capture_output=True,
            text=True,
            cwd=ROOT,
            check=False,
            timeout=PATIENCE_SECONDS,
        )
    assert done.returncode == 1
    assert f"port {port} of mlflow is in use" in done.stderr
