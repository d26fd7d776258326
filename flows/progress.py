"""What a flow shows in Prefect while it runs: a progress bar, tables and figures."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

from prefect.artifacts import (
    create_progress_artifact,
    update_progress_artifact,
)

from housing_ml import progress
from housing_ml.orchestration.runs import run_stage
from housing_ml.records.features import FeaturesResult
from housing_ml.records.figures import Figures
from housing_ml.records.gate import GateDecision
from housing_ml.records.imputation import ImputationResult
from housing_ml.records.selection import SelectionResult
from housing_ml.records.sweep import SweepOutcome
from housing_ml.reporting.artifacts import show_figures, show_tables
from housing_ml.reporting.gate import gate_rows, moved_rows, traffic_rows
from housing_ml.reporting.retrain import cluster_rows, imputer_rows, model_rows, sweep_rows
from housing_ml.settings import Settings
from housing_ml.storage.store import open_store

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from prefect import Task

    from housing_ml.records.gate import Traffic
    from housing_ml.reporting.markdown import Row


P = ParamSpec("P")


R = TypeVar("R")


_PROGRESS_SECONDS = 1.0
"""A call to Prefect costs as much as a cached stage."""


class Progress:
    """Runs a flow's stages, in the order given, and shows in the UI what those it computes find.

    A cached stage shows nothing: the run that computed it did; `computed` names the others. A
    progress bar grows with the stages, once a second at most.
    """

    def __init__(self, stages: Sequence[Task[..., Any]]) -> None:
        self._stages = len(stages)
        progress.plan([task.name for task in stages])
        self._done = 0
        self.computed: set[str] = set()
        self._bar: UUID | None = None
        self._moved = 0.0

    def run(self, task: Task[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a stage as `run_stage` does, and return its result."""
        result, cached = run_stage(task, *args, **kwargs)
        self._done += 1
        if not cached:
            show_tables(_tables(result))
            show_figures(_figures(result))
            self.computed.add(task.name)
        if self._bar or not cached:
            self._move()
        return result

    def _move(self) -> None:
        percent = 100 * self._done / self._stages
        if self._bar is None:
            self._bar = cast("UUID", create_progress_artifact(percent, description="Stages done"))
        elif self._done == self._stages or monotonic() - self._moved >= _PROGRESS_SECONDS:
            update_progress_artifact(self._bar, percent)
        else:
            return
        self._moved = monotonic()


def _tables(result: object) -> dict[str, list[Row]]:
    """Return the tables of what a stage found; most find none."""
    match result:
        case ImputationResult():
            return {"imputers": imputer_rows(result.report)}
        case FeaturesResult():
            return {"clusters": cluster_rows(result.report)}
        case SelectionResult():
            return {"models": model_rows(result.report)}
        case SweepOutcome():
            return {"trials": sweep_rows(result.result)}
        case GateDecision():
            return {"gate": gate_rows(result)} | _traffic(result.traffic)
    return {}


def _traffic(found: Traffic | None) -> dict[str, list[Row]]:
    if found is None or found.moved is None:
        return {}
    return {"traffic": traffic_rows(found), "most_moved": moved_rows(found)}


def _figures(result: object) -> dict[str, bytes]:
    """Return what a stage drew; most draw nothing."""
    if not isinstance(result, Figures):
        return {}
    store = open_store(Settings())
    return {name: store.get_bytes(ref) for name, ref in result.figures.items()}
