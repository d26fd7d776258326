"""Alerts arrive: Prometheus asks a real service, and Alertmanager tells the webhook."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import httpx
import pytest
import yaml
from pydantic import SecretStr

from deployments.alerting import alertmanager
from deployments.parts import Ports, watchers
from housing_ml.reporting.practice import NOTHING_IS_WRONG, PracticeError, practise
from housing_ml.settings import Settings
from tests.integration.platform_process import free_ports, webhook
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

PROMETHEUS = Path(__file__).parents[1] / "deployments" / "prometheus"
pytestmark = pytest.mark.skipif(
    not (shutil.which("prometheus") and shutil.which("prometheus-alertmanager")),
    reason="needs both: apt-get install prometheus prometheus-alertmanager",
)


class Watched(NamedTuple):
    """A service that is asked, and what people were told."""

    service: subprocess.Popen[bytes]
    prometheus: str
    told: list[str]


@contextmanager
def watched(folder: Path, *, hears: bool = True) -> Iterator[Watched]:
    """Start a service and its watchers, with every wait of the rules shortened to a second."""
    with ExitStack() as stack:
        address, told = stack.enter_context(webhook())
        ports = Ports(*free_ports(len(Ports._fields)))
        url = SecretStr(address) if hears else None
        settings = Settings(home=folder, notification_url=url)
        environment = os.environ | {
            "HOUSING_SERVE_RELEASES": str(folder / "releases"),
            "HOUSING_SERVE_STATE": str(folder / "service"),
            "HOUSING_SERVE_PORT": str(ports.service),
        }
        commands = [part.command for part in watchers(settings, ports, folder)]
        _hasten(folder)
        start = partial(_start, stack, folder, environment)
        service = start([sys.executable, "-m", "serve"], "service")
        # First of all: one that still starts would be an alert, whose group then waits.
        asked = f"http://127.0.0.1:{ports.service}"
        until(lambda: _all_live([service]) and _answers(f"{asked}/metrics"))
        processes = [start(command, str(number)) for number, command in enumerate(commands)]
        prometheus = f"http://127.0.0.1:{ports.prometheus}"
        alerts = f"http://127.0.0.1:{ports.alertmanager}"
        until(lambda: _all_live(processes) and _value(prometheus, "up") == "1")
        until(lambda: _all_live(processes) and _answers(f"{alerts}/-/ready"))
        yield Watched(service, prometheus, told)


def _start(
    stack: ExitStack, folder: Path, environment: dict[str, str], command: list[str], name: str
) -> subprocess.Popen[bytes]:
    log = stack.enter_context((folder / f"{name}.log").open("wb"))
    process = stack.enter_context(
        subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
    )
    stack.callback(process.kill)
    return process


def _all_live(processes: list[subprocess.Popen[bytes]]) -> bool:
    ended = [process.args for process in processes if process.poll() is not None]
    assert not ended, f"these ended: {ended}"
    return True


def _answers(url: str) -> bool:
    try:
        return httpx.get(url).is_success
    except httpx.TransportError:
        return False


def _hasten(folder: Path) -> None:
    rules = (PROMETHEUS / "housing.rules.yml").read_text()
    (folder / "fast.yml").write_text(re.sub(r"for: \d+m", "for: 1s", rules))
    asked = yaml.safe_load((folder / "prometheus.yml").read_text())
    asked["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    asked["rule_files"] = [str(folder / "fast.yml")]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(asked))
    told = yaml.safe_load((folder / "alertmanager.yml").read_text())
    told["route"] |= {"group_wait": "1s", "group_interval": "1s"}
    (folder / "alertmanager.yml").write_text(yaml.safe_dump(told))


def _value(prometheus: str, expression: str) -> str | None:
    try:
        answer = httpx.get(f"{prometheus}/api/v1/query", params={"query": expression})
    except httpx.TransportError:
        return None
    found = answer.json()["data"]["result"] if answer.is_success else []
    return str(found[0]["value"][1]) if found else None


def test_a_killed_service_is_told_with_what_to_look_at_and_what_to_type(tmp_path: Path) -> None:
    with watched(tmp_path) as platform:
        platform.service.kill()
        until(lambda: any("HousingServiceDown" in message for message in platform.told))
        (message,) = [found for found in platform.told if "HousingServiceDown" in found]
    assert message.startswith("PAGE: HousingServiceDown\n127.0.0.1:")
    assert "Look at its last log lines" in message
    assert "Type `docker compose restart service`" in message


def test_a_killed_service_is_heard_of_within_three_minutes_by_the_rules_own_times() -> None:
    asked = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())["global"]
    groups = yaml.safe_load((PROMETHEUS / "housing.rules.yml").read_text())["groups"]
    rules = {rule.get("alert"): rule for group in groups for rule in group["rules"]}
    waits = [
        asked["scrape_interval"],
        asked["evaluation_interval"],
        rules["HousingServiceDown"]["for"],
        asked["evaluation_interval"],
        alertmanager(Path("address"))["route"]["group_wait"],
    ]
    assert sum(map(duration, waits), timedelta()) <= timedelta(minutes=3)


def duration(text: str) -> timedelta:
    units = {"s": "seconds", "m": "minutes"}
    return timedelta(**{units[text[-1]]: int(text[:-1])})


def test_practice_sends_one_of_each_and_each_try_is_told(tmp_path: Path) -> None:
    with watched(tmp_path) as platform:
        names = practise(platform.prometheus)
        again = practise(platform.prometheus)
        until(lambda: len(practised(platform)) == len(names + again))
        told = practised(platform)
    assert len(names) == len(set(names)) > 10
    assert again == names
    assert sorted(re.findall(r"Housing\w+", "".join(told))) == sorted(names + again)
    assert all("Look at " in message and "Type " in message for message in told)


def practised(platform: Watched) -> list[str]:
    return [message for message in platform.told if NOTHING_IS_WRONG in message]


def test_practice_says_that_nobody_hears_and_that_nothing_is_there(tmp_path: Path) -> None:
    with (
        watched(tmp_path, hears=False) as platform,
        pytest.raises(PracticeError, match="tells nobody: set HOUSING_NOTIFICATION_URL"),
    ):
        practise(platform.prometheus)
    with pytest.raises(PracticeError, match="HOUSING_PROMETHEUS_URL"):
        practise("http://127.0.0.1:9")
