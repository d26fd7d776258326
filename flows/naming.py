"""Names of runs that say what runs, who or what started it, and when, for a list of many."""

from __future__ import annotations

import getpass
import re

from prefect.context import FlowRunContext
from prefect.runtime import flow_run

_GENERATED = re.compile(r"[a-z]+-[a-z]+")
"""Two words, as Prefect draws them where nobody gave a name."""

_STARTED_BY = {"SCHEDULE": "the schedule", "AUTOMATION": "an automation"}


def run_name() -> str:
    """Return the name of the run that begins: what a person gave it, or one that tells."""
    given = str(flow_run.get_name())
    if not _GENERATED.fullmatch(given):
        return given
    moment = flow_run.get_scheduled_start_time()
    return f"{flow_run.get_flow_name()} by {_starter()}, {moment:%Y-%m-%d %H:%M} UTC"


def _starter() -> str:
    context = FlowRunContext.get()
    run = context.flow_run if context else None
    created = run.created_by if run else None
    if created is not None and created.type in _STARTED_BY:
        return _STARTED_BY[created.type]
    return "the page" if run and run.deployment_id else getpass.getuser()
