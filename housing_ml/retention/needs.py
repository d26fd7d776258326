"""Which bundles and data are still needed. Pure."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from housing_ml.config.retention import RetentionConfig
    from housing_ml.releases.records import Channels, Event

_MONTH_DAYS = 30.4375
_IN_SERVICE = {"promotion", "rollback"}
_KEY = re.compile(r"data/[0-9a-f]{2}/[0-9a-f]{64}[.\w]*")


def needed_bundles(
    channels: Channels, events: Iterable[Event], now: datetime, config: RetentionConfig
) -> set[str]:
    """Return the digests of the bundles that stay, whatever their age.

    Those in a channel; those in service within the last months, with the one that was in service
    when these began; and those that something was decided about lately.
    """
    served_since = now - timedelta(days=_MONTH_DAYS * config.champion_months)
    named_since = now - timedelta(days=config.release_days)
    needed = {release.bundle for release in channels.channels.values()}
    before: str | None = None
    for event in sorted(events, key=lambda event: event.at):
        at = datetime.fromisoformat(event.at)
        serves = event.kind in _IN_SERVICE
        if at >= named_since or (serves and at >= served_since):
            needed.add(event.bundle)
        elif serves:
            before = event.bundle
    return needed | ({before} if before else set())


def needed_data(results: Iterable[str]) -> set[str]:
    """Return the keys of the stored objects that the records of results refer to.

    >>> needed_data(['{"key": "data/ab/' + "ab" * 32 + '.parquet"}'])
    {'data/ab/abababababababababababababababababababababababababababababababab.parquet'}
    """
    return {key for text in results for key in _KEY.findall(text)}
