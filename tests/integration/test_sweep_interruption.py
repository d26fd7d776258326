"""Whatever is killed in a sweep, no finished trial is lost and none is done twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import pytest

from housing_ml.modelling.sweep.study import ask, open_study
from housing_ml.records.sweep import SweepResult
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SCRIPT = """
import os, sys, time
import numpy as np
from housing_ml.config.choices import FeatureParameters
from housing_ml.config.sweep import SweepConfig
from housing_ml.modelling.sweep import study
from housing_ml.modelling.sweep.objective import Objective
from housing_ml.modelling.sweep.optuna_driver import sweep

class Slow(Objective):
    def fold_wmapes(self, parameters):
        with open("log", "a") as log:
            log.write(f"{os.getpid()} {parameters['alpha']}\\n")
        time.sleep(float(sys.argv[3]))
        with open("ended", "a") as log:
            log.write(f"{os.getpid()} {parameters['alpha']}\\n")
        yield 0.1 / parameters["alpha"]

if __name__ == "__main__":
    open(f"ready-{os.getpid()}", "w").close()
    while not os.path.exists("go"):
        time.sleep(0.01)
    study._HEARTBEAT_SECONDS, study._GRACE_SECONDS = 1, 4
    config = SweepConfig(trials=6, folds=2, workers=int(sys.argv[2]))
    slow = Slow(np.ones((4, 9)), np.ones(4), FeatureParameters(), "ridge", {}, config)
    print(sweep(slow, sys.argv[1], "killed").model_dump_json())
"""
PATIENT = 300


class Line(NamedTuple):
    process: int
    alpha: str


class Scene(NamedTuple):
    """A folder with the script, and what its trials wrote."""

    folder: Path
    started: list[subprocess.Popen[str]]

    def start(self, storage: str, workers: int, seconds: float) -> subprocess.Popen[str]:
        command = [sys.executable, "script.py", storage, str(workers), str(seconds)]
        process = subprocess.Popen(command, cwd=self.folder, stdout=subprocess.PIPE, text=True)
        self.started.append(process)
        return process

    def go(self, processes: int) -> None:
        """Let the started processes search, when all of them are ready."""
        until(lambda: len(list(self.folder.glob("ready-*"))) == processes)
        (self.folder / "go").touch()

    def lines(self, name: str) -> list[Line]:
        path = self.folder / name
        found = path.read_text().splitlines() if path.exists() else []
        return [Line(int(process), alpha) for process, alpha in map(str.split, found)]

    def alphas(self, name: str) -> Counter[str]:
        return Counter(line.alpha for line in self.lines(name))


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    (tmp_path / "script.py").write_text(_SCRIPT)
    scene = Scene(tmp_path, [])
    yield scene
    for process in scene.started:
        with process:
            process.kill()


def result_of(process: subprocess.Popen[str]) -> SweepResult:
    output, _ = process.communicate(timeout=PATIENT)
    return SweepResult.model_validate_json(output.splitlines()[-1])


def is_gone(process: int) -> bool:
    try:
        with open(f"/proc/{process}/stat") as stat:  # noqa: PTH123 - not a file to keep
            return stat.read().split()[2] == "Z"
    except OSError:
        return True


def test_a_killed_sweep_goes_on_and_its_workers_end_with_it(scene: Scene, tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path}/sweep.db"
    sweep = scene.start(storage, workers=2, seconds=0.5)
    scene.go(1)
    until(lambda: len(scene.lines("ended")) >= 3)
    sweep.kill()
    sweep.communicate()
    workers = {line.process for line in scene.lines("log")}
    until(lambda: all(map(is_gone, workers)))

    result = result_of(scene.start(storage, workers=2, seconds=0))

    assert len(workers) == 2
    assert result.resumed >= 1
    assert [trial.number for trial in result.trials] == list(range(6))
    assert {trial.state for trial in result.trials} <= {"complete", "pruned"}
    again = {alpha: times for alpha, times in scene.alphas("log").items() if times > 1}
    assert len(again) <= 2
    assert set(again.values()) <= {2}
    assert len(scene.alphas("ended")) == 6


def test_a_killed_worker_is_replaced_and_its_trial_tried_again(scene: Scene) -> None:
    sweep = scene.start("sqlite:///sweep.db", workers=2, seconds=0.3)
    scene.go(1)
    until(lambda: scene.lines("log"))
    os.kill(scene.lines("log")[0].process, signal.SIGKILL)

    result = result_of(sweep)

    assert {trial.state for trial in result.trials} <= {"complete", "pruned"}
    assert len(result.trials) == 6
    assert max(scene.alphas("ended").values()) == 1


def test_machines_that_share_a_database_take_over_what_another_one_left(
    scene: Scene, postgresql: str
) -> None:
    one, other = (scene.start(postgresql, workers=1, seconds=0.4) for _ in range(2))
    scene.go(2)
    until(lambda: len({line.process for line in scene.lines("ended")}) == 2)
    one.kill()
    one.communicate()

    result = result_of(other)

    assert [trial.number for trial in result.trials] == list(range(6))
    assert {trial.state for trial in result.trials} <= {"complete", "pruned"}
    assert len(scene.alphas("ended")) == 6


def test_a_trial_whose_machine_died_before_it_showed_life_is_tried_again(
    scene: Scene, postgresql: str
) -> None:
    with open_study(postgresql, "killed", {"alpha": 1.0}) as study:
        ask(study)

    other = scene.start(postgresql, workers=1, seconds=0)
    scene.go(1)
    result = result_of(other)

    assert [trial.number for trial in result.trials] == list(range(6))
    assert result.trials[0].parameters == {"alpha": 1.0}
