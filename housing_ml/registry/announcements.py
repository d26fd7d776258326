"""MLflow's webhook that tells a service of a promotion at once."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from housing_ml.registry.models import RegistryError, registry_client

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from housing_ml.settings import Settings

NAME: Final = "housing-release"
"""Start of the webhooks' names: there is one for each address."""
_EVENT: Final = "model_version_alias.created"


def announce_to(url: str, secret: str, settings: Settings) -> str:
    """Let MLflow call `url` whenever an alias moves, try it once, and return what was answered.

    Done again, it changes the webhook of the same address.

    Raises:
        RegistryError: when MLflow does not take it, or the service does not take the announcement.
    """
    with registry_client(settings) as client:
        known = next((item for item in _webhooks(client) if item.url == url), None)
        if known:
            client.update_webhook(known.webhook_id, events=[_EVENT], secret=secret)
        else:
            known = client.create_webhook(_name(url), url, [_EVENT], secret=secret)
        tried = client.test_webhook(known.webhook_id, _EVENT)
    if not tried.success:
        raise RegistryError(
            f"MLflow has the webhook, and {url} does not take its announcements: "
            f"{tried.error_message or tried.response_status}: the service's "
            "HOUSING_SERVE_WEBHOOK_SECRET must be the same, and MLflow must reach it"
        )
    return f"{url} answers {tried.response_status}"


def stop_announcing_to(url: str, settings: Settings) -> bool:
    """Delete the webhooks of that address; return whether there was one.

    Raises:
        RegistryError: when MLflow cannot be reached.
    """
    with registry_client(settings) as client:
        found = [item for item in _webhooks(client) if item.url == url]
        for item in found:
            client.delete_webhook(item.webhook_id)
    return bool(found)


def _name(url: str) -> str:
    """Return a name that MLflow takes: an address has other characters, and more."""
    return f"{NAME}-{sha256(url.encode()).hexdigest()[:16]}"


def _webhooks(client: MlflowClient) -> list[Any]:
    return [item for item in client.list_webhooks(1000) if item.name.startswith(NAME)]
