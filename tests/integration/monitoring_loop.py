"""Simulated drift on a running platform, and what the monitor says of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx

from housing_ml.config.monitoring import MonitorConfig
from housing_ml.feedback.prediction_log import log_files, read_log
from housing_ml.monitoring.analysis import MonitorReport, analyse
from housing_ml.releases.channels import read_channels
from housing_ml.storage.versioned import LocalReleases
from tests.flows.test_retrain import SMALL

if TYPE_CHECKING:
    from housing_ml.monitoring.performance import Estimates
    from tests.integration.platform_process import Platform

LEARNER: dict[str, Any] = {
    "imputation": {"candidates": ["median"], "repeats": 1},
    "features": {"cluster_candidates": [0], "folds": 2},
    "selection": {
        "folds": 2,
        "candidates": [
            {
                "model": "histogram_gradient_boosting",
                "grid": {"max_iter": [80], "learning_rate": [0.1]},
            }
        ],
    },
    "sweep": {"trials": 0},
    "training": {"folds": 2},
    "evaluation": {"bootstrap_samples": 100},
    # Twice the price inland moves most of the cheap ones, by how much depends on the champion.
    "gate": SMALL["gate"] | {"max_replaced_share": 1, "max_traffic_part_moved": 1},
    "release": {"autonomy": {"max_level_move": 10, "min_senders": 1}},
}
WINDOW_SECONDS = 4
"""Long enough that a busy machine prices the rows of a window, and takes their prices, in it."""
MONITOR: dict[str, Any] = {
    "window_minutes": WINDOW_SECONDS / 60,
    "windows": 300,
    "trackers": [],
    "performance": {"recent_windows": 100},
    "retraining": {"cool_down_hours": 0},
}


class Loop:
    """The platform, and what the monitor and the simulation say of it."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self.storage = LocalReleases(platform.home / "storage" / "releases")

    @property
    def champion(self) -> str:
        channels, _ = read_channels(self.storage)
        found = channels.channels.get("champion")
        return found.version if found else ""

    def some_champion(self) -> str:
        """The champion that another test left, or else that of a retrain for this one."""
        if not self.champion:
            self._platform.wait(self._platform.start("retrain", LEARNER), "Completed")
        return self.champion

    def served(self) -> str:
        """The version that the service answers with."""
        answer = httpx.get(f"{self._platform.service}/api/v1/model", trust_env=False)
        return str(answer.json()["model_version"]) if answer.is_success else ""

    def logged(self) -> int:
        """Return how many predictions have come to storage."""
        today = datetime.now(UTC).date()
        files = log_files(self.storage, [today - timedelta(days=1), today])
        return sum(len(rows.raw) for name in files for rows in read_log(self.storage, name))

    def simulate(self, windows: int) -> list[str]:
        """Send every row in each window, with prices doubled inland; return who answered."""
        chosen = {
            "fault": "inland",
            "fault_from": 0,
            "windows": windows,
            "rows": 1500,
            "seconds": WINDOW_SECONDS,
            "feedback_share": 0.8,
        }
        before = self.logged()
        options = [f"--set={name}={value}" for name, value in chosen.items()]
        done = subprocess.run(
            [
                *(sys.executable, "-m", "housing_ml.cli", "simulate", "--json"),
                *("--url", self._platform.service, *options),
            ],
            env=os.environ | {"HOUSING_DATA_URL": str(self._platform.home / "sample.csv")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        result = json.loads(done.stdout)
        assert result["predictions"] == windows * 1500
        self._platform.wait_for(lambda: self.logged() - before == windows * 1500)
        versions: list[str] = result["versions"]
        return versions

    def report(self) -> MonitorReport:
        """Return what the monitor would say now."""
        return analyse(self.storage, MonitorConfig.model_validate(MONITOR), datetime.now(UTC))

    def monitor(self) -> MonitorReport:
        """Run the deployment of the monitor, and return its report."""
        known = set(self.storage.names("monitoring/reports"))
        self._platform.wait(self._platform.start("monitor", MONITOR), "Completed")
        new = sorted(set(self.storage.names("monitoring/reports")) - known)
        found = self.storage.read(next(name for name in new if name.endswith(".json")))
        assert found is not None
        return MonitorReport.model_validate_json(found.content)


def estimates(report: MonitorReport, version: str) -> Estimates:
    of_version = (item for item in report.performance if item.kind == "version")
    found = next(item.estimates for item in of_version if item.name == version)
    assert found is not None
    return found
