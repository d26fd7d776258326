"""Running Prefect flows as a person's own program: one line per stage, no account, no chatter."""

from __future__ import annotations

import logging
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Generic, NamedTuple, ParamSpec, TypeVar, cast

import stamina
from prefect.logging import get_run_logger
from prefect.logging.handlers import PrefectConsoleHandler
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    PREFECT_TASKS_REFRESH_CACHE,
    temporary_settings,
)
from pydantic import BaseModel

from housing_ml import progress
from housing_ml.orchestration.prefect_server import (
    configured_api,
    ephemeral_server,
    require_access,
)
from housing_ml.orchestration.terminal import live_line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from prefect import Task
    from prefect.logging.loggers import PrefectLogAdapter
    from rich.console import Console

    from housing_ml.settings import Settings

P = ParamSpec("P")
R = TypeVar("R")

_BLOCK = "housing-bucket"
_LOGGER = "prefect.flow_runs.stages"


class StageRun(NamedTuple, Generic[R]):
    """What a stage gave, and whether an earlier run had computed it."""

    result: R
    cached: bool


def run_stage(task: Task[P, R], *args: P.args, **kwargs: P.kwargs) -> StageRun[R]:
    """Run a stage inside a flow; one line of log tells how it went.

    The line has the result's own text, where its class defines `__str__`. What the stage raises is
    raised here, with a note of the stage's name.
    """
    logger = cast("PrefectLogAdapter", get_run_logger()).getChild("stages")
    progress.stage(task.name)
    started = time.monotonic()
    state = task(*args, **kwargs, return_state=True)
    seconds = time.monotonic() - started
    try:
        result = state.result()
    except BaseException as error:
        error.add_note(f"in stage {task.name}")
        logger.error("%-12s failed    %7.1f s", task.name, seconds)  # noqa: TRY400 - raised on
        raise
    cached = state.name == "Cached"
    how = "cached" if cached else "computed"
    logger.info("%-12s %-9s %7.1f s   %s", task.name, how, seconds, _describe(result))
    return StageRun(result, cached)


def result_storage(settings: Settings) -> str | Path:
    """Return where the records of results live: beside the data that they refer to.

    Give it to a flow where it starts: `flow.with_options(result_storage=...)`. For a bucket without
    a block, one is written on the server, which the session has: Prefect takes no other.
    """
    if settings.storage_block is None and settings.bucket is not None:
        from housing_ml.storage.blocks import bucket_block  # noqa: PLC0415 - takes a second

        bucket_block(settings.bucket, settings.service_account_file).save(_BLOCK, overwrite=True)
        return f"gcs-bucket/{_BLOCK}"
    return settings.storage_block or settings.storage_path


@contextmanager
def session(*, refresh: bool = False, verbose: bool = False) -> Iterator[None]:
    """Run flows inside: on the configured server, or else on one that lives as long as this.

    Args:
        refresh: Compute every stage again, and keep the new results.
        verbose: Show the logs of Prefect and of the libraries in place of one line per stage, and
            of the live one of a terminal.

    Raises:
        ServerError: when the server does not start, or does not let us in.
    """
    updates = {
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None,  # its thread would hold up the end by a second
        PREFECT_TASKS_REFRESH_CACHE: refresh,
    }
    with ExitStack() as stack:
        if not verbose:
            stack.enter_context(_one_line_per_stage(stack.enter_context(live_line())))
        stack.enter_context(temporary_settings(updates))
        progress.stage("Prefect's start")
        if not configured_api():
            url = stack.enter_context(ephemeral_server())
            stack.enter_context(temporary_settings({PREFECT_API_URL: url}))
        else:
            require_access()
        yield


class _StageHandler(logging.Handler):
    """Prints what `run_stage` logs."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        self._console.print(record.getMessage(), markup=False, soft_wrap=True)


@contextmanager
def _one_line_per_stage(console: Console) -> Iterator[None]:
    """Print the stages' lines on standard error, and no other log or warning."""
    stages, root = logging.getLogger(_LOGGER), logging.getLogger()
    consoles = [item for item in root.handlers if isinstance(item, PrefectConsoleHandler)]
    handler = _StageHandler(console)
    stages.addHandler(handler)
    stages.setLevel(logging.INFO)
    for item in consoles:
        item.setLevel(logging.CRITICAL + 1)
    logging.captureWarnings(capture=True)
    stamina.instrumentation.set_on_retry_hooks([])
    try:
        yield
    finally:
        stamina.instrumentation.set_on_retry_hooks(None)
        logging.captureWarnings(capture=False)
        for item in consoles:
            item.setLevel(logging.NOTSET)
        stages.setLevel(logging.NOTSET)
        stages.removeHandler(handler)


def _describe(result: object) -> str:
    described = isinstance(result, BaseModel) and type(result).__str__ is not BaseModel.__str__
    return str(result) if described else ""
