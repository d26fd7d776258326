"""Commands about what is in service: `status`, `history`, `compare`, `rollback` and the probations.

What goes wrong at night is mended here: nothing but the watch imports Prefect, and MLflow is told
last.
"""
# ruff: noqa: PLC0415, T201 - keeps `housing --help` quick; a command prints

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path  # noqa: TC003 - cyclopts reads the annotations
from typing import TYPE_CHECKING

from cyclopts import App

from housing_ml.commands.output import (
    REJECTED,
    CommandError,
    Flag,
    Json,
    Overrides,
    Why,
    person,
    print_json,
    show,
    show_rows,
)
from housing_ml.commands.scoring import no_champion
from housing_ml.settings import Settings

if TYPE_CHECKING:
    from housing_ml.releases.records import Release

canary = App(name="canary", help="Let a release answer a share of the requests.")
shadow = App(name="shadow", help="Let a release see all requests and answer none.")


def status(*, url: str = "http://127.0.0.1:8000", as_json: Json = False) -> int:
    """Show the models that the release channels point at, and how the service is.

    Of the champion it says how fair its prices are to assess by, everywhere and by region.

    Args:
        url: Address of the service that a person is told about.
        as_json: Print the channels as JSON; `champion` is null when there is none.
    """
    from housing_ml.monitoring.trend import live_error
    from housing_ml.releases.channels import open_releases, read_channels
    from housing_ml.releases.equity import equity_of
    from housing_ml.releases.feature_code import feature_code_notes
    from housing_ml.releases.status import service_health, status_document, status_rows
    from housing_ml.reporting.equity import equity_rows

    settings = Settings()
    storage = open_releases(settings)
    channels, _ = read_channels(storage)
    notes = feature_code_notes(storage, channels.channels, same_code=settings.require_same_code)
    if as_json:
        found = {name: equity_of(storage, item.bundle) for name, item in channels.channels.items()}
        print_json(status_document(channels, notes, found))
    elif "champion" not in channels.channels:
        raise CommandError(no_champion())
    else:
        show_rows(status_rows(channels, datetime.now(UTC), notes))
        show_rows(equity_rows(equity_of(storage, channels.channels["champion"].bundle)))
        show(live_error(storage))
        show(service_health(url))
    return 0


def history(*, as_json: Json = False) -> int:
    """Show every promotion, rejection, roll back and probation: who, when and why.

    Args:
        as_json: Print JSON, the oldest first, with all evidence.
    """
    from housing_ml.releases.channels import history as read_history
    from housing_ml.releases.channels import open_releases
    from housing_ml.releases.tables import history_rows

    events = read_history(open_releases(Settings()))
    if as_json:
        print_json(events)
    else:
        show_rows(history_rows(events))
    return 0


def compare(first: str, second: str, *, figure: Path | None = None, as_json: Json = False) -> int:
    """Compare two releases on the held-out rows that both have predicted.

    Args:
        first: Channel, version or start of the bundle's digest.
        second: The same of the other one.
        figure: PNG file to draw the differences and their intervals into.
        as_json: Print JSON.
    """
    from housing_ml.releases.channels import open_releases
    from housing_ml.releases.comparison import compare_releases
    from housing_ml.releases.tables import comparison_rows

    found = compare_releases(open_releases(Settings()), first, second)
    if figure:
        from housing_ml.releases.comparison_figure import comparison
        from housing_ml.storage.atomic import write_atomically

        write_atomically(figure, comparison(found))
    if as_json:
        print(found.model_dump_json(indent=2))
    else:
        show_rows(comparison_rows(found))
        show(f"{found}, on {found.rows:,} common rows.")
    return 0


def rollback(*, why: Why, to: str | None = None, as_json: Json = False) -> int:
    """Put an older release back into service, within seconds.

    Args:
        why: Reason, for the history.
        to: Version or start of the bundle's digest; empty: the one before.
        as_json: Print the release as JSON.
    """
    from housing_ml.releases.channels import open_releases
    from housing_ml.releases.rollback import roll_back

    found = roll_back(open_releases(Settings()), to, why=why, by=person())
    return _done(found, f"version {found.version} is the champion again", as_json=as_json)


def promote(version: str, *, why: Why, as_json: Json = False) -> int:
    """Make a published release that passed the gate the champion.

    Args:
        version: Version or start of the bundle's digest; `canary` for the one on probation.
        why: Reason, for the history.
        as_json: Print the release as JSON.
    """
    from housing_ml.releases.champion import promote_version
    from housing_ml.releases.channels import open_releases
    from housing_ml.rollout.canary import promote_canary

    storage = open_releases(Settings())
    if version == "canary":
        found = promote_canary(storage, why=why, by=person())
    else:
        found = promote_version(storage, version, why=why, by=person())
    return _done(found, f"version {found.version} is the champion", as_json=as_json)


@canary.command(name="start")
def canary_start(version: str, *, share: str, why: Why, as_json: Json = False) -> int:
    """Route a share of the requests to a release, by a stable hash of their key.

    Args:
        version: Version or start of the bundle's digest.
        share: Such as 10% or 0.1.
        why: Reason, for the history.
        as_json: Print the release as JSON.
    """
    from housing_ml.releases.channels import open_releases
    from housing_ml.rollout.canary import start_canary

    part = _share(share)
    found = start_canary(open_releases(Settings()), version, part, why=why, by=person())
    return _done(found, f"version {found.version} answers {part:.0%}", as_json=as_json)


@canary.command(name="stop")
def canary_stop(*, why: Why, withdraw: bool = False, as_json: Json = False) -> int:
    """Send every request to the champion again.

    Args:
        why: Reason, for the history.
        withdraw: Keep the release from being promoted by itself.
        as_json: Print the release as JSON.
    """
    from housing_ml.releases.channels import open_releases
    from housing_ml.rollout.canary import stop

    found = stop(open_releases(Settings()), "canary", why=why, by=person(), withdraw=withdraw)
    return _done(found, "the canary ended", as_json=as_json)


@canary.command(name="watch")
def canary_watch(
    *,
    config: Path | None = None,
    set_: Overrides = (),
    verbose: Flag = False,
    as_json: Json = False,
) -> int:
    """Watch the canary until it is promoted or aborted.

    Exit code 3 is a canary that was not promoted.

    Args:
        config: YAML or JSON file with what differs from the defaults.
        set_: One value, such as `--set hours=2` or `--set when_good=ask`; may be given several
            times.
        verbose: Show the libraries' own logs too.
        as_json: Print the outcome as JSON.
    """
    from flows.release import run_canary_watch
    from housing_ml.rollout.decision import WatchPolicy

    result = run_canary_watch(WatchPolicy.load(config, set_), verbose=verbose)
    if as_json:
        print(result.model_dump_json(indent=2))
    else:
        show(f"{result}.")
    return 0 if result.outcome == "promoted" else REJECTED


@shadow.command(name="start")
def shadow_start(version: str, *, why: Why, as_json: Json = False) -> int:
    """Score every request with a release too, off the path of the answer.

    Args:
        version: Version or start of the bundle's digest.
        why: Reason, for the history.
        as_json: Print the release as JSON.
    """
    from housing_ml.releases.channels import open_releases
    from housing_ml.rollout.canary import start_shadow

    found = start_shadow(open_releases(Settings()), version, why=why, by=person())
    return _done(found, f"version {found.version} is the shadow", as_json=as_json)


@shadow.command(name="stop")
def shadow_stop(*, why: Why, as_json: Json = False) -> int:
    """End the shadow.

    Args:
        why: Reason, for the history.
        as_json: Print the release as JSON.
    """
    from housing_ml.releases.channels import open_releases
    from housing_ml.rollout.canary import stop

    found = stop(open_releases(Settings()), "shadow", why=why, by=person())
    return _done(found, "the shadow ended", as_json=as_json)


def _done(found: Release | None, said: str, *, as_json: bool) -> int:
    """Say what was done, then tell MLflow: services do not wait for it."""
    if found is None:
        raise CommandError("there is none: see `housing status`")
    if as_json:
        print_json(found)
    else:
        show(f"{said}.")
    sys.stdout.flush()  # what is so already must not wait for MLflow
    from housing_ml.releases.promotion import repair

    repair(Settings())
    return 0


def _share(text: str) -> float:
    try:
        return float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        raise CommandError(f"--share {text}: write it as 10% or 0.1") from None
