"""The end of a retrain: a model that passed the gate becomes the champion, another is recorded.

The bundle is published first; then the channels move, in one step that decides between two
promoters; MLflow's aliases follow. A crash before the move leaves the old champion in service.
"""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Literal

from housing_ml.champion_comparison import predictions_name
from housing_ml.code_state import code_state
from housing_ml.records.release import Baseline, Circumstances
from housing_ml.registry import set_alias
from housing_ml.releases import (
    Event,
    Release,
    TrainingData,
    move_channels,
    now,
    open_releases,
    publish_bundle,
    read_channels,
    record,
)
from housing_ml.storage import open_store

if TYPE_CHECKING:
    from housing_ml.config import GateConfig
    from housing_ml.gate_records import GateDecision
    from housing_ml.records.evaluation import EvaluationResult
    from housing_ml.records.release import RegisteredVersion
    from housing_ml.records.training import TrainingResult
    from housing_ml.releases import Channels, ReleaseStorage
    from housing_ml.settings import Settings


def is_champion(channels: Channels, digest: str) -> bool:
    """Whether the champion channel serves the bundle already."""
    champion = channels.channels.get("champion")
    return champion is not None and champion.bundle == digest


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


def promote(
    registered: RegisteredVersion,
    trained: TrainingResult,
    evaluated: EvaluationResult,
    decision: GateDecision,
    settings: Settings,
) -> None:
    """Make the version the champion, in MLflow and for the services.

    Raises:
        ConflictError: when another version was promoted since the gate looked at the champion.
    """
    releases = open_releases(settings)
    channels, generation = read_channels(releases)
    if is_champion(channels, trained.bundle.digest):
        return
    _publish(trained, evaluated, settings, releases)
    old = channels.channels.get("champion")
    new = _release(registered, trained, evaluated, decision, old)
    moved = {"champion": new} if old is None else {"champion": new, "previous": old}
    move_channels(releases, lambda current: {**current, **moved}, if_generation=generation)
    for alias, release in moved.items():
        set_alias(registered.name, alias, release.version, settings)
    record(releases, _event("promotion", registered, decision))


def reject(registered: RegisteredVersion, decision: GateDecision, settings: Settings) -> None:
    """Keep the champion, and record the version as its challenger with the gate's reasons."""
    set_alias(registered.name, "challenger", registered.version, settings)
    record(open_releases(settings), _event("rejection", registered, decision))


def _publish(
    trained: TrainingResult,
    evaluated: EvaluationResult,
    settings: Settings,
    releases: ReleaseStorage,
) -> None:
    store = open_store(settings)
    files = {name: store.get_bytes(ref) for name, ref in trained.bundle.files.items()}
    name = predictions_name(trained.bundle.digest)
    releases.write(name, store.get_bytes(evaluated.predictions))
    publish_bundle(releases, trained.bundle.digest, files)


def _release(
    registered: RegisteredVersion,
    trained: TrainingResult,
    evaluated: EvaluationResult,
    decision: GateDecision,
    old: Release | None,
) -> Release:
    found = evaluated.evaluation
    names = ("rmse", "mae", "r2", "mape", "wmape")
    metrics = {name: getattr(found.metrics, name) for name in names}
    return Release(
        version=registered.version,
        bundle=trained.bundle.digest,
        model=trained.bundle.model,
        metrics=metrics | {"coverage": found.coverage},
        data=TrainingData(
            digest=trained.bundle.data_digest,
            rows=trained.bundle.rows,
            synthetic=trained.bundle.synthetic,
        ),
        replaced=old.bundle if old else None,
        run_id=registered.run_id,
        promoted_at=now(),
        promoted_by=getpass.getuser(),
        reason="; ".join(decision.reasons),
    )


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
