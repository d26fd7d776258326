"""What people and the platform do with releases: promote, roll back, watch a canary.

Each is also a command of `housing`; as flows they can be started and approved in Prefect's UI.
"""

from __future__ import annotations

import time

from prefect import flow, task
from prefect.exceptions import FlowPauseTimeout
from prefect.flow_runs import pause_flow_run
from prefect.input import RunInput
from prefect.logging import get_run_logger

from flows.naming import run_name
from housing_ml.orchestration.failures import forget_exception
from housing_ml.orchestration.runs import run_stage, session
from housing_ml.releases import rollback
from housing_ml.releases.champion import promote_version
from housing_ml.releases.channels import open_releases
from housing_ml.releases.promotion import repair
from housing_ml.rollout import watch as watching
from housing_ml.rollout.decision import WatchPolicy
from housing_ml.rollout.watch import Look, WatchResult
from housing_ml.settings import Settings
from housing_ml.storage.errors import ReleaseError

ANSWER_SECONDS = 24 * 3600
"""How long a person may take to answer; then the canary ends."""


class Approval(RunInput):
    """A person's answer about a canary."""

    promote: bool
    by: str


@task(persist_result=False)
def registry_repair() -> None:
    """Tell MLflow what the channels say, when it can be reached."""
    repair(Settings())


@flow(name="promote", persist_result=False, flow_run_name=run_name, on_failure=[forget_exception])
def promote(version: str, why: str, by: str) -> str:
    """Make a published release that passed the gate the champion.

    Args:
        version: Version, or start of the bundle's digest.
        why: For the history.
        by: Who decides it.
    """
    release = promote_version(open_releases(Settings()), version, why=why, by=by)
    run_stage(registry_repair)
    return release.version


@flow(name="roll-back", persist_result=False, flow_run_name=run_name, on_failure=[forget_exception])
def roll_back(why: str, by: str, to: str | None = None) -> str:
    """Put an older release back into service; services follow within seconds.

    Args:
        why: For the history.
        by: Who decides it.
        to: Version, or start of the bundle's digest. Empty: the one before.
    """
    release = rollback.roll_back(open_releases(Settings()), to, why=why, by=by)
    run_stage(registry_repair)
    return release.version


@flow(
    name="canary-watch", persist_result=False, flow_run_name=run_name, on_failure=[forget_exception]
)
def canary_watch(policy: WatchPolicy = WatchPolicy()) -> WatchResult:  # noqa: B008 - frozen
    """Watch the canary until it is promoted or aborted.

    Args:
        policy: What it may do, and what follows.
    """
    storage = open_releases(Settings())
    result = None
    while result is None:
        try:
            result = _follow(watching.look(storage, policy), policy)
        except (ReleaseError, OSError) as error:
            get_run_logger().warning("looking again: %s", error)
        if result is None:
            time.sleep(policy.look_seconds)
    run_stage(registry_repair)
    return result


def _follow(found: Look | None, policy: WatchPolicy) -> WatchResult | None:
    """Do what the look says; None to go on."""
    storage = open_releases(Settings())
    if found is None:
        return watching.ended(None)
    if found.decision.action == "abort":
        return watching.abort(storage, found)
    if found.decision.action == "promote":
        return watching.promote(storage, found)
    if found.decision.action == "ask":
        return _ask(found, policy)
    return None


def _ask(found: Look, policy: WatchPolicy) -> WatchResult:
    """Let a person decide in Prefect's UI; without an answer the canary ends.

    What was seen while they thought counts too: a canary that went bad is not promoted.
    """
    storage = open_releases(Settings())
    text = f"Promote the canary, version {found.canary.version}? {found.decision}"
    try:
        answer = pause_flow_run(
            wait_for_input=Approval.with_initial_data(description=text),
            timeout=ANSWER_SECONDS,
            poll_interval=2,
        )
    except FlowPauseTimeout:
        return watching.abort(storage, found)
    again = watching.look(storage, policy)
    if again is None or again.canary != found.canary:
        return watching.ended(found)
    if answer.promote and again.decision.action != "abort":
        return watching.promote(storage, again, by=answer.by)
    return watching.abort(storage, again, by=answer.by)


def run_canary_watch(policy: WatchPolicy, *, verbose: bool = False) -> WatchResult:
    """Run the watch from a program: on the configured Prefect server, or on one of its own."""
    with session(verbose=verbose):
        return canary_watch(policy)
