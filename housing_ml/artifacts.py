"""What a run shows in Prefect's UI: progress, a table per comparison, figures and the summary."""

from __future__ import annotations

from base64 import b64encode
from time import monotonic
from typing import TYPE_CHECKING, ParamSpec, TypeVar, cast

from prefect.artifacts import (
    create_image_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.events import emit_event

from housing_ml.orchestration import run_stage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from prefect import Task

    from housing_ml.report import Row

P = ParamSpec("P")
R = TypeVar("R")

_PROGRESS_SECONDS = 1.0
"""A call to Prefect costs as much as a cached stage."""


class Progress:
    """A progress bar in the UI that grows with the flow's stages, once a second at most."""

    def __init__(self, stages: int) -> None:
        self._stages = stages
        self._done = 0
        self._shown = monotonic()
        self._artifact = cast("UUID", create_progress_artifact(0.0, description="Stages done"))

    def run(self, task: Task[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a stage as `run_stage` does, and move the bar."""
        result = run_stage(task, *args, **kwargs)
        self._done += 1
        if self._done == self._stages or monotonic() - self._shown >= _PROGRESS_SECONDS:
            update_progress_artifact(self._artifact, 100 * self._done / self._stages)
            self._shown = monotonic()
        return result


def show_report(
    summary: str, tables: Mapping[str, Sequence[Row]], figures: Mapping[str, bytes]
) -> None:
    """Show a run's Markdown summary, its tables and its PNG figures, by name."""
    create_markdown_artifact(summary, key="summary", description="What the run did")
    for name, rows in tables.items():
        create_table_artifact([*rows], key=_key(name), description=f"Comparison: {name}")
    for name, picture in figures.items():
        url = f"data:image/png;base64,{b64encode(picture).decode()}"
        create_image_artifact(url, key=f"figure-{_key(name)}", description=name.replace("_", " "))


def announce_rejection(version: str, reasons: Sequence[str]) -> None:
    """Emit the event that tells people, where the deployment has someone to tell."""
    resource = {
        "prefect.resource.id": f"housing.model.{version}",
        "prefect.resource.name": f"version {version}",
    }
    emit_event("housing.model.rejected", resource, payload={"reasons": [*reasons]})


def _key(name: str) -> str:
    return name.replace("_", "-")
