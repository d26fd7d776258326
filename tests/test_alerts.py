"""Alert rules and dashboard fit the service's real figures, and every alert is in the runbook."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from serve.telemetry.metrics import Metrics

ROOT = Path(__file__).parents[1]
PROMETHEUS = ROOT / "deployments" / "prometheus"
RULES = yaml.safe_load((PROMETHEUS / "housing.rules.yml").read_text())
DASHBOARD = json.loads((ROOT / "deployments/grafana/dashboards/housing.json").read_text())

needs_promtool = pytest.mark.skipif(
    not shutil.which("promtool"), reason="needs promtool: apt-get install prometheus"
)


@pytest.fixture(scope="module")
def figures() -> Metrics:
    metrics = Metrics()
    metrics.answered("/api/v1/predict", 200, 0.002)
    metrics.predicted("1", "champion", np.array([150_000.0, 180_000.0, 2e6]))
    metrics.model.labels("1", "champion").set(1)
    metrics.reloads.labels("loaded").inc()
    metrics.log_shipments.labels("done").inc()
    metrics.not_logged("disk", 0)
    metrics.validation_errors.labels("longitude").inc()
    return metrics


def rules() -> list[dict[str, Any]]:
    return [rule for group in RULES["groups"] for rule in group["rules"]]


def names(expression: str) -> set[str]:
    return set(re.findall(r"\bhousing[_:][a-z0-9_:]+", expression))


def test_every_figure_that_is_asked_for_is_one_the_service_gives(figures: Metrics) -> None:
    given = names(figures.text().decode()) | {rule.get("record") for rule in rules()}
    panels = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]

    asked = set().union(*(names(text) for text in [*panels, *(rule["expr"] for rule in rules())]))

    assert asked <= given


def test_every_alert_has_its_page_in_the_runbook() -> None:
    runbook = (ROOT / "docs" / "runbook.md").read_text()
    alerts = [rule for rule in rules() if "alert" in rule]

    for rule in alerts:
        assert {"summary", "look", "type"} <= set(rule["annotations"])
        assert rule["annotations"]["runbook"] == f"docs/runbook.md#{rule['alert'].lower()}"
        assert f"\n## {rule['alert']}\n" in runbook
    assert len(alerts) == runbook.count("\n## Housing")


def test_every_alert_has_a_test() -> None:
    tested = (PROMETHEUS / "housing.rules.test.yml").read_text()

    assert all(tested.count(rule["alert"]) for rule in rules() if "alert" in rule)


@needs_promtool
@pytest.mark.parametrize(
    "command",
    [
        ["check", "config", "prometheus.yml"],
        ["test", "rules", "housing.rules.test.yml"],
        ["test", "rules", "housing.down.test.yml"],
    ],
    ids=" ".join,
)
def test_promtool_accepts_the_rules_and_their_tests(command: list[str]) -> None:
    done = subprocess.run(
        ["promtool", *command], cwd=PROMETHEUS, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
