"""Commands that keep registry, release channels and services in line: `release`."""
# ruff: noqa: PLC0415, T201 - keeps `housing --help` quick; a command prints

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from housing_ml.commands.output import CommandError, Flag, Json, print_json, show
from housing_ml.settings import Settings

release = App(name="release", help="Keep registry, release channels and services in line.")


@release.command
def sync(*, as_json: Json = False) -> int:
    """Make MLflow's aliases say what the release channels say, after a crash or an outage.

    Args:
        as_json: Print JSON.
    """
    from housing_ml.releases.sync import sync as bring_in_line

    found = bring_in_line(Settings())
    if as_json:
        print_json(found)
    else:
        aliases = ", ".join(
            f"{name} is version {version}" for name, version in found.aliases.items()
        )
        show("\n\n".join([aliases or "no aliases", *found.problems]))
    return 1 if found.problems else 0


@release.command
def webhook(
    url: str,
    *,
    secret: Annotated[str | None, Parameter(env_var="HOUSING_SERVE_WEBHOOK_SECRET")] = None,
    stop: Flag = False,
) -> int:
    """Let MLflow tell a service of each promotion at once, and try it.

    Args:
        url: Address of the service's route, such as https://prices.example.com/webhooks/release.
        secret: What the service's HOUSING_SERVE_WEBHOOK_SECRET is.
        stop: Delete the webhook instead.
    """
    from housing_ml.registry.announcements import announce_to, stop_announcing_to

    if stop:
        if not stop_announcing_to(url, Settings()):
            raise CommandError(f"MLflow has no webhook of ours for {url}")
        show(f"MLflow tells {url} no more.")
        return 0
    if not secret:
        raise CommandError("HOUSING_SERVE_WEBHOOK_SECRET is empty: set it as the service has it")
    show(f"MLflow tells of each promotion: {announce_to(url, secret, Settings())}.")
    return 0


@release.command(name="key")
def signing_key() -> int:
    """Print a new pair of keys: one signs bundles as they are published, one lets services check.

    Both are settings; keep the first one secret.
    """
    from housing_ml.bundle.signing import new_key

    private, public = new_key()
    print(f"HOUSING_SIGNING_KEY={private}\nHOUSING_SERVE_PUBLIC_KEYS={public}")
    return 0
