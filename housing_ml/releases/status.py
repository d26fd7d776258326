"""What is live, at a glance: each channel's release with its figures and age, and the service."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from housing_ml.reporting.markdown import EQUITY_TITLES, METRIC_TITLES, amount

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from housing_ml.records.equity import Equity
    from housing_ml.releases.records import Channels, Release
    from housing_ml.reporting.markdown import Row

_METRICS = ("rmse", "r2", "mape", "wmape", *EQUITY_TITLES)
_UNITS = (("day", 86_400), ("hour", 3600), ("minute", 60), ("second", 1))
_PATIENCE_SECONDS = 3.0


def status_document(
    channels: Channels, notes: Mapping[str, str], equity: Mapping[str, tuple[Equity, ...]]
) -> dict[str, Any]:
    """Return what `housing status --json` prints: each channel's release; champion may be null.

    `notes` are of channels whose bundle other feature code made, `equity` is how fair a channel's
    prices are to assess by, everywhere and by region.
    """
    releases = {
        name: msgspec.to_builtins(release)
        | {"equity": [item.model_dump(mode="json") for item in equity.get(name, ())]}
        | ({"feature_code": notes[name]} if name in notes else {})
        for name, release in channels.channels.items()
    }
    return {"champion": None, **releases}


def status_rows(channels: Channels, at: datetime, notes: Mapping[str, str]) -> list[Row]:
    """Return what there is to know of the releases at a time: a column for each channel.

    The champion comes first. `notes` are of channels whose bundle other feature code made.
    """
    names = sorted(channels.channels, key=lambda name: (name != "champion", name))
    facts = {
        name: _facts(channels.channels[name], at)
        | ({"feature code": notes[name]} if name in notes else {})
        for name in names
    }
    titles = dict.fromkeys(title for found in facts.values() for title in found)
    return [
        {"channel": title, **{name: found.get(title, "") for name, found in facts.items()}}
        for title in titles
    ]


def service_health(url: str) -> str:
    """Return in a sentence how the service at an address is, and what is wrong there."""
    import httpx  # noqa: PLC0415 - the other commands need not wait for it

    try:
        answer = httpx.get(f"{url}/health/deep", timeout=_PATIENCE_SECONDS)
        health = answer.raise_for_status().json()
        details = [
            f"{name}: {found['detail']}"
            for name, found in health["dependencies"].items()
            if name == "model" or found["state"] != "ok"
        ]
        return f"The service at {url} is {health['status']}; {'; '.join(details)}."
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, LookupError, TypeError) as error:
        return (
            f"No service was found at {url} ({error}): start one with `make serve`, or give --url."
        )


def _facts(release: Release, at: datetime) -> Row:
    since = datetime.fromisoformat(release.promoted_at)
    share = {"share": f"{release.share:.0%} of the requests"} if release.share else {}
    data = f"{release.data.rows:,} rows" + (" (synthetic)" if release.data.synthetic else "")
    moved = {} if release.moved is None else {"moved of the week before": f"{release.moved:.1%}"}
    return {
        "version": release.version,
        **share,
        "model": release.model.replace("_", " "),
        **{
            (METRIC_TITLES | EQUITY_TITLES)[name]: amount(name, release.metrics[name])
            for name in _METRICS
            if name in release.metrics
        },
        **moved,
        "trained on": data,
        "since (UTC)": f"{since.astimezone(UTC):%Y-%m-%d %H:%M}, {_ago(at - since)}",
        "by": release.promoted_by,
    }


def _ago(span: timedelta) -> str:
    for name, size in _UNITS:
        count = int(span.total_seconds() // size)
        if count >= 1:
            return f"{count} {name}{'s' if count > 1 else ''} ago"
    return "just now"
