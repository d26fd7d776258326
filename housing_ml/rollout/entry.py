"""How a model that passed the gate comes into service: at once, as a canary, or as a shadow."""

from __future__ import annotations

import getpass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from housing_ml.feedback.traffic import recent_requests
from housing_ml.registry.models import set_alias
from housing_ml.releases.channels import open_releases, read_channels
from housing_ml.releases.promotion import promote, repair, require_beaten
from housing_ml.releases.publishing import publish
from housing_ml.rollout.canary import start_canary, start_shadow

if TYPE_CHECKING:
    from housing_ml.config.promotion import PromotionConfig, PromotionMode
    from housing_ml.records.evaluation import EvaluationResult
    from housing_ml.records.gate import Baseline, GateDecision
    from housing_ml.records.retrain import RegisteredVersion
    from housing_ml.records.training import TrainingResult
    from housing_ml.releases.records import Channels
    from housing_ml.settings import Settings
    from housing_ml.storage.versioned import ReleaseStorage


def bring_into_service(  # noqa: PLR0913, PLR0917 - what each of the stages before has found
    registered: RegisteredVersion,
    trained: TrainingResult,
    evaluated: EvaluationResult,
    decision: GateDecision,
    beaten: Baseline | None,
    config: PromotionConfig,
    *,
    settings: Settings,
) -> PromotionMode:
    """Promote a model that passed the gate, or start its probation; return which.

    Raises:
        ConflictError: when the champion is not the one that the gate compared with any more.
        ReleaseError: when the probation cannot start.
    """
    releases = open_releases(settings)
    channels, _ = read_channels(releases)
    mode = chosen_mode(config, channels, releases)
    stages, hours = (registered, trained, evaluated, decision), config.guard_hours
    if mode == "direct":
        promote(*stages, beaten, settings=settings, guard_hours=hours)
        return mode
    require_beaten(channels, beaten)
    release = publish(*stages, settings, guard_hours=hours)
    running = channels.channels.get(mode)
    if running is None or running.bundle != release.bundle:
        why, by = "; ".join(decision.reasons), getpass.getuser()
        if mode == "canary":
            start_canary(releases, release.bundle, config.share, why=why, by=by, watched=True)
        else:
            start_shadow(releases, release.bundle, why=why, by=by)
        set_alias(registered.name, "challenger", registered.version, settings)
    repair(settings)
    return mode


def chosen_mode(
    config: PromotionConfig, channels: Channels, releases: ReleaseStorage
) -> PromotionMode:
    """Return how a model comes into service now; the first one has none to be held against."""
    if "champion" not in channels.channels:
        return "direct"
    if config.mode is not None:
        return config.mode
    enough = recent_requests(releases, datetime.now(UTC)) >= config.canary_requests
    return "canary" if enough else "direct"
