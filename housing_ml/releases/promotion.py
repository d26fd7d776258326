"""The end of a retrain: a model that passed the gate becomes the champion, another is recorded.

The bundle is published first; then the channels move, in one step that decides between two
promoters; MLflow's aliases follow. A crash before the move leaves the old champion in service; one
after it leaves work that `repair` finds and does.
"""

from __future__ import annotations

import getpass
import logging
from typing import TYPE_CHECKING, Final

from housing_ml.registry.models import RegistryError, record_card, set_alias
from housing_ml.releases.cards import card_of
from housing_ml.releases.champion import is_champion, take_over
from housing_ml.releases.channels import history, open_releases, read_channels, record_event, settle
from housing_ml.releases.publishing import GUARD_HOURS, publish
from housing_ml.releases.records import Channels, Event, Kind, Release, event, now
from housing_ml.releases.sync import in_step, sync
from housing_ml.storage.errors import ConflictError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from housing_ml.records.evaluation import EvaluationResult
    from housing_ml.records.gate import Baseline, GateDecision
    from housing_ml.records.retrain import RegisteredVersion
    from housing_ml.records.training import TrainingResult
    from housing_ml.settings import Settings
    from housing_ml.storage.versioned import ReleaseStorage

_ACCEPTED: Final = "shift accepted"

logger = logging.getLogger(__name__)


def promote(  # noqa: PLR0913 - what each of the stages before has found
    registered: RegisteredVersion,
    trained: TrainingResult,
    evaluated: EvaluationResult,
    decision: GateDecision,
    beaten: Baseline | None,
    *,
    settings: Settings,
    guard_hours: float = GUARD_HOURS,
) -> None:
    """Make the version the champion, for the services and in MLflow.

    Raises:
        ConflictError: when the champion is not the one that the gate compared with any more.
    """
    releases = open_releases(settings)
    channels, generation = read_channels(releases)
    if not is_champion(channels, trained.bundle.digest):
        require_beaten(channels, beaten)
        release = publish(
            registered, trained, evaluated, decision, settings, guard_hours=guard_hours
        )
        promotion = _decided("promotion", release, decision)
        try:
            take_over(releases, channels, generation, release, promotion)
        except ConflictError:
            if not is_champion(read_channels(releases)[0], trained.bundle.digest):
                raise  # else a run at the same time has promoted the very same model
        _tell_card(releases, release, settings)
    repair(settings)


def require_beaten(channels: Channels, beaten: Baseline | None) -> None:
    """Raise ConflictError unless the champion is the one that the gate compared with."""
    champion = channels.channels.get("champion")
    if (champion and champion.bundle) != (beaten and beaten.bundle):
        raise ConflictError(
            "another model became champion since the gate looked: run again to face it"
        )


def reject(  # noqa: PLR0913 - what each of the stages before has found
    registered: RegisteredVersion,
    trained: TrainingResult,
    evaluated: EvaluationResult,
    decision: GateDecision,
    *,
    settings: Settings,
    guard_hours: float = GUARD_HOURS,
) -> None:
    """Keep the champion, and publish and record the version as its challenger.

    A person may promote one that the gate asks about.
    """
    releases = open_releases(settings)
    release = publish(registered, trained, evaluated, decision, settings, guard_hours=guard_hours)
    kind: Kind = "question" if decision.ask else "rejection"
    record_event(releases, _decided(kind, release, decision))
    set_alias(registered.name, "challenger", registered.version, settings)
    _tell_card(releases, release, settings)
    repair(settings)


def note_accepted(
    registered: RegisteredVersion, accepted: Sequence[str], *, settings: Settings
) -> None:
    """Record, once for a bundle, what a person accepted of the source that it was made of."""
    releases = open_releases(settings)
    known = {event.reason for event in history(releases) if accepted and event.kind == _ACCEPTED}
    for reason in (item for item in accepted if item not in known):
        record_event(
            releases,
            Event(
                kind=_ACCEPTED,
                version=registered.version,
                bundle=registered.bundle_digest,
                at=now(),
                by=getpass.getuser(),
                reason=reason,
                run_id=registered.run_id,
            ),
        )


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


def _tell_card(releases: ReleaseStorage, release: Release, settings: Settings) -> None:
    """Put the release's card, with what was decided, beside what MLflow knows of it."""
    if release.run_id is None:
        return
    card = card_of(releases, release)
    try:
        record_card(release.run_id, card, settings)
    except RegistryError as error:
        logger.warning("MLflow has an older model card of version %s: %s", release.version, error)


def _decided(kind: Kind, release: Release, decision: GateDecision) -> Event:
    return event(
        kind,
        release,
        why="; ".join(decision.reasons),
        by=getpass.getuser(),
        evidence=decision.model_dump(mode="json"),
    )
