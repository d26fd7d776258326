"""What the gate has to know of what is in service: the model to beat, and what was withdrawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from housing_ml.orchestration.code_state import code_state
from housing_ml.records.gate import Baseline, Circumstances

if TYPE_CHECKING:
    from housing_ml.config.gate import GateConfig
    from housing_ml.releases.records import Channels, Release


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
    return None if to_beat is None else _baseline(to_beat)


def champion_of(channels: Channels) -> Baseline | None:
    """Return the model in service."""
    found = channels.channels.get("champion")
    return None if found is None else _baseline(found)


def _baseline(release: Release) -> Baseline:
    return Baseline(
        version=release.version, bundle=release.bundle, synthetic=release.data.synthetic
    )


def circumstances(channels: Channels, digest: str, config: GateConfig) -> Circumstances:
    """Return what the gate has to know of a bundle beside the bundle itself."""
    return Circumstances(
        baseline=baseline(channels, digest),
        withdrawn=channels.withdrawn.get(digest),
        code=code_state() if config.require_committed_code else None,
    )
