"""A message to the configured webhook, where no Prefect server is there to send it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from pydantic import SecretStr

_PATIENCE_SECONDS = 10.0


def tell(url: SecretStr, subject: str, body: str) -> str | None:
    """Send a message in Slack's form; return what went wrong, if anything did.

    The address is a secret: it is not part of what is returned.
    """
    try:
        answer = httpx.post(
            url.get_secret_value(),
            json={"text": f"{subject}\n{body}"},
            timeout=_PATIENCE_SECONDS,
        )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return f"nobody was told: the webhook gives no answer ({type(error).__name__})"
    if answer.is_success:
        return None
    return f"nobody was told: the webhook answers {answer.status_code}"
