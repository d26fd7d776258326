"""The end of a retrain: a model that passed the gate becomes the champion, another is recorded.

The bundle is published first; then the channels move, in one step that decides between two
promoters; MLflow's aliases follow. A crash before the move leaves the old champion in service; one
after it leaves work that `repair` finds and does.
"""

from __future__ import annotations

import getpass
import logging
from typing import TYPE_CHECKING, Literal

from housing_ml.champion import is_champion, take_over
from housing_ml.code_state import code_state
from housing_ml.publishing import publish
from housing_ml.records.release import Baseline, Circumstances
from housing_ml.registry import RegistryError, set_alias
from housing_ml.release_sync import in_step, sync
from housing_ml.releases import (
    ConflictError,
    Event,
    now,
    open_releases,
    read_channels,
    record,
    settle,
)

if TYPE_CHECKING:
    from housing_ml.config import GateConfig
    from housing_ml.gate_records import GateDecision
    from housing_ml.records.evaluation import EvaluationResult
    from housing_ml.records.release import RegisteredVersion
    from housing_ml.records.training import TrainingResult
    from housing_ml.releases import Channels
    from housing_ml.settings import Settings

logger = logging.getLogger(__name__)


def baseline(channels: Channels, digest: str) -> Baseline | None:
    """Return the model that a bundle has to beat: the champion.

    For the champion itself it is the model that it took the place of, so that the gate's decision
    on it is found again and not made anew.
    """
    to_beat = channels.channels.get("champion")
    if to_beat is not None and to_beat.bundle == digest:
        previous = channels.channels.get("previous")
        replaced = to_beat.replaced
        to_beat = previous if previous is not None and previous.bundle == replaced else None
    if to_beat is None:
        return None
    return Baseline(
        version=to_beat.version, bundle=to_beat.bundle, synthetic=to_beat.data.synthetic
    )


def circumstances(channels: Channels, digest: str, config: GateConfig) -> Circumstances:
    """Return what the gate has to know of a bundle beside the bundle itself."""
    return Circumstances(
        baseline=baseline(channels, digest),
        withdrawn=channels.withdrawn.get(digest),
        code=code_state() if config.require_committed_code else None,
    )


def promote(  # noqa: PLR0913 - what each of the stages before has found
    registered: RegisteredVersion,
    trained: TrainingResult,
    evaluated: EvaluationResult,
    decision: GateDecision,
    beaten: Baseline | None,
    *,
    settings: Settings,
) -> None:
    """Make the version the champion, for the services and in MLflow.

    Raises:
        ConflictError: when the champion is not the one that the gate compared with any more.
    """
    releases = open_releases(settings)
    channels, generation = read_channels(releases)
    if not is_champion(channels, trained.bundle.digest):
        champion = channels.channels.get("champion")
        if (champion and champion.bundle) != (beaten and beaten.bundle):
            raise ConflictError(
                "another model became champion since the gate looked: run again to face it"
            )
        release = publish(registered, trained, evaluated, decision, settings)
        event = _event("promotion", registered, decision)
        try:
            take_over(releases, channels, generation, release, event)
        except ConflictError:
            if not is_champion(read_channels(releases)[0], trained.bundle.digest):
                raise  # else a run at the same time has promoted the very same model
    repair(settings)


def reject(
    registered: RegisteredVersion,
    trained: TrainingResult,
    evaluated: EvaluationResult,
    decision: GateDecision,
    *,
    settings: Settings,
) -> None:
    """Keep the champion, and publish and record the version as its challenger."""
    releases = open_releases(settings)
    publish(registered, trained, evaluated, decision, settings)
    record(releases, _event("rejection", registered, decision))
    set_alias(registered.name, "challenger", registered.version, settings)
    repair(settings)


def repair(settings: Settings) -> None:
    """Finish what a promotion or roll back has begun and not ended; cheap when there is nothing.

    MLflow is the record and not the signal: when it is out, the services go on, and the next
    command tries again.
    """
    releases = open_releases(settings)
    settle(releases)
    if in_step(releases):
        return
    try:
        report = sync(settings)
    except RegistryError as error:
        logger.warning("MLflow does not know of the new champion yet: %s", error)
        return
    for problem in report.problems:
        logger.warning("%s", problem)


def _event(
    kind: Literal["promotion", "rejection"], registered: RegisteredVersion, decision: GateDecision
) -> Event:
    return Event(
        kind=kind,
        version=registered.version,
        bundle=registered.bundle_digest,
        at=now(),
        by=getpass.getuser(),
        reason="; ".join(decision.reasons),
        run_id=registered.run_id,
        evidence=decision.model_dump(mode="json"),
    )
