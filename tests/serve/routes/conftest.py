"""A real browser on the pages of a real service."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect

from tests.waiting import PATIENCE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser

    from tests.serve.conftest import Service

SIZES = {"phone": (390, 844), "desktop": (1440, 900)}
PATIENCE_MILLISECONDS = 1000 * PATIENCE_SECONDS
expect.set_options(timeout=PATIENCE_MILLISECONDS)


@pytest.fixture
def visit(browser: Browser, service: Service) -> Iterator[Callable[..., Page]]:
    """Opens a page of the service; a word on its console, or a request elsewhere, is a failure."""
    complaints: list[str] = []
    contexts = []

    def visit(path: str = "/", size: str = "desktop") -> Page:
        width, height = SIZES[size]
        context = browser.new_context(viewport={"width": width, "height": height}, locale="en-US")
        context.set_default_timeout(PATIENCE_MILLISECONDS)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda said: _listen(said.text, complaints))
        page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
        address = path if path.startswith("http") else service.url + path
        home = "/".join(address.split("/")[:3])
        page.on("request", lambda request: _stay(request.url, home, complaints))
        page.goto(address)
        return page

    yield visit
    for context in contexts:
        context.close()
    assert complaints == []


def _listen(said: str, complaints: list[str]) -> None:
    # Chromium writes each refusal of the service there too, where the page has an answer to it.
    if not said.startswith("Failed to load resource: the server responded with a status of 400"):
        complaints.append(f"console: {said}")


def _stay(url: str, home: str, complaints: list[str]) -> None:
    if not url.startswith((home, "blob:")):
        complaints.append(f"left the service: {url}")


def ready(page: Page) -> Page:
    """Wait for the form and the map."""
    expect(page.locator("#map-legend")).to_contain_text("orange")
    return page
