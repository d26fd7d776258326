"""Bring MLflow's aliases in line with the release channels, after a crash or an outage.

The channels move first, for they are what services follow. `mlflow.json` beside them holds the
sequence of the channels that MLflow was last told of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from housing_ml.releases.channels import open_releases, read_channels, settle

if TYPE_CHECKING:
    from housing_ml.settings import Settings
    from housing_ml.storage.versioned import ReleaseStorage

MARK = "mlflow.json"
ALIASES = ("champion", "previous", "canary", "shadow")
"""Those that say the same as a channel."""


class SyncReport(msgspec.Struct, frozen=True):
    """What a sync did: `aliases` as they are now, by name, and what it could not mend."""

    sequence: int
    aliases: dict[str, str]
    problems: tuple[str, ...]


class _Mark(msgspec.Struct, frozen=True):
    sequence: int


def in_step(storage: ReleaseStorage) -> bool:
    """Whether MLflow was told of the channels as they are now."""
    channels, _ = read_channels(storage)
    return _told(storage) == channels.sequence


def sync(settings: Settings) -> SyncReport:
    """Complete the history, and make the aliases say what the channels say.

    Raises:
        RegistryError: when MLflow cannot be reached.
        ReleaseError: when the channels cannot be read.
    """
    from housing_ml.registry.models import align_aliases  # noqa: PLC0415 - reaches for MLflow

    storage = open_releases(settings)
    settle(storage)
    channels, _ = read_channels(storage)
    aliases: dict[str, str] = {}
    problems: list[str] = []
    for name in sorted({release.registered_name for release in channels.channels.values()}):
        wanted = {
            alias: release.bundle
            for alias, release in channels.channels.items()
            if alias in ALIASES and release.registered_name == name
        }
        aliases |= align_aliases(name, ALIASES, wanted, settings)
        problems += [
            f"MLflow has no version of {name} with the {alias}'s bundle {digest[:12]}: it was "
            "rebuilt or the version deleted; services are not affected"
            for alias, digest in wanted.items()
            if alias not in aliases
        ]
    storage.write(MARK, msgspec.json.encode(_Mark(channels.sequence)))
    return SyncReport(channels.sequence, aliases, tuple(problems))


def _told(storage: ReleaseStorage) -> int:
    found = storage.read(MARK)
    if found is None:
        return 0
    try:
        return msgspec.json.decode(found.content, type=_Mark).sequence
    except msgspec.MsgspecError:
        return 0
