"""How each run's page in Prefect begins: a sentence, a picture, and where to read on.

Pure: records in, Markdown out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from housing_ml.reporting.markdown import picture_address

if TYPE_CHECKING:
    from collections.abc import Mapping

    from housing_ml.settings import Settings


def lead(sentence: str, picture: bytes | None, links: Mapping[str, str]) -> str:
    """Return Markdown that says what was decided and why, shows it, and links to more.

    Args:
        sentence: what was decided, and why.
        picture: of it, a PNG; None where there is nothing to draw.
        links: addresses by what they lead to; empty ones are left out.
    """
    shown = [f"[{title}]({address})" for title, address in links.items() if address]
    drawn = f"![{sentence}]({picture_address(picture)})" if picture else ""
    return "\n\n".join(part for part in (f"**{sentence}**", drawn, " · ".join(shown)) if part)


def operators_page(settings: Settings) -> dict[str, str]:
    """Return the link to the operators' page, where the settings say where the service is."""
    page = settings.service_page
    return {"The operators' page": f"{page.rstrip('/')}/operators" if page else ""}


def version_page(settings: Settings, name: str, version: str) -> dict[str, str]:
    """Return the link to a version in MLflow, where that has a page."""
    tracking = settings.mlflow_tracking_uri or ""
    page = settings.mlflow_page or (tracking if tracking.startswith("http") else "")
    address = f"{page.rstrip('/')}/#/models/{name}/versions/{version}" if page else ""
    return {f"{name} {version} in MLflow": address}
