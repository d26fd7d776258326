"""What a run shows in Prefect's UI: progress, a table per comparison, figures and the summary."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from prefect.artifacts import (
    create_image_artifact,
    create_markdown_artifact,
    create_table_artifact,
)
from prefect.events import emit_event

from housing_ml.reporting.markdown import picture_address

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from housing_ml.reporting.markdown import Row


def show_summary(summary: str, lead: str = "") -> None:
    """Show what a run did, in Markdown, after what was decided in a sentence and a picture."""
    text = f"{lead}\n\n{summary}" if lead else summary
    create_markdown_artifact(text, key="summary", description="What the run did")


def show_tables(tables: Mapping[str, Sequence[Row]]) -> None:
    """Show tables by name."""
    for name, rows in tables.items():
        create_table_artifact([*rows], key=artifact_key(name), description=f"Comparison: {name}")


def show_figures(figures: Mapping[str, bytes]) -> None:
    """Show PNG figures by name."""
    for name, picture in figures.items():
        create_image_artifact(
            picture_address(picture),
            key=f"figure-{artifact_key(name)}",
            description=name.replace("_", " "),
        )


def announce_rejection(version: str, reasons: Sequence[str]) -> None:
    """Emit the event that tells people, where the deployment has someone to tell."""
    resource = {
        "prefect.resource.id": f"housing.model.{version}",
        "prefect.resource.name": f"version {version}",
    }
    emit_event("housing.model.rejected", resource, payload={"reasons": [*reasons]})


def announce_question(version: str, reasons: Sequence[str]) -> None:
    """Emit the event that asks a person, where the deployment has someone to tell."""
    resource = {
        "prefect.resource.id": f"housing.model.{version}",
        "prefect.resource.name": f"version {version}",
    }
    payload = {"reasons": [*reasons], "version": version}
    emit_event("housing.model.asks", resource, payload=payload)


def artifact_key(name: str) -> str:
    """Return a name as Prefect takes it: lower case letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
