"""Trials run as Prefect tasks on a Dask cluster, and a worker that dies costs nothing."""

from __future__ import annotations

import os
import signal
import time
from functools import partial
from threading import Thread
from typing import TYPE_CHECKING

import numpy as np
import pytest
from prefect import flow

from flows.trial_tasks import dask_workers
from housing_ml.config.choices import FeatureParameters
from housing_ml.config.sweep import SweepConfig
from housing_ml.modelling.sweep.optuna_driver import sweep
from housing_ml.records.sweep import SweepResult

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("distributed", reason="the extra `dask` is not installed")

_MODULE = """
import os, time
from housing_ml.modelling.sweep.objective import Objective

class Slow(Objective):
    def fold_wmapes(self, parameters):
        with open({log!r}, "a") as log:
            log.write(f"{{os.getpid()}}\\n")
        time.sleep(0.5)
        yield 0.1 / parameters["alpha"]
"""


def _kill_first(log: Path) -> None:
    while not log.exists() or not log.read_text():
        time.sleep(0.05)
    os.kill(int(log.read_text().split()[0]), signal.SIGKILL)


@pytest.mark.usefixtures("prefect_server")
def test_a_sweep_survives_the_death_of_a_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log"
    (tmp_path / "slow_objective.py").write_text(_MODULE.format(log=str(log)))
    monkeypatch.syspath_prepend(str(tmp_path))
    from slow_objective import Slow  # type: ignore[import-not-found]  # noqa: PLC0415

    config = SweepConfig(trials=5, folds=2, workers=2)
    slow = Slow(np.ones((4, 9)), np.ones(4), FeatureParameters(), "ridge", {}, config)

    @flow(name="trials")
    def search() -> SweepResult:
        return sweep(slow, workers=partial(dask_workers, scheduler="local"))

    killer = Thread(target=_kill_first, args=(log,))
    killer.start()
    result = search()
    killer.join()

    assert [trial.state for trial in result.trials] == ["complete"] * 5
    processes = log.read_text().split()
    assert len(processes) == 6
    assert os.getpid() not in map(int, processes)
