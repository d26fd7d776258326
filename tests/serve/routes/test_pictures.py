"""The pictures of the documents are of the pages as they are: made here, from a real champion."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import pytest
from PIL import Image
from playwright.sync_api import expect

from housing_ml.releases.channels import open_releases
from housing_ml.settings import Settings
from tests.serve.routes.test_page_use import REPORT

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Browser

    from tests.serve.conftest import Service

KEPT = Path(__file__).parents[3] / "docs" / "pictures"
LARGEST_BYTES = 160_000
COLOURS = 96


class Picture(NamedTuple):
    """A page as somebody sees it."""

    name: str
    path: str
    size: tuple[int, int]
    scheme: Literal["light", "dark"] = "light"


PLACE = (
    "/?longitude=-122.23&latitude=37.88&housing_median_age=41&total_rooms=880&total_bedrooms=129"
    "&population=322&households=126&median_income=8.3252&ocean_proximity=NEAR+BAY"
)
PICTURES = [
    Picture("house", PLACE, (1440, 900)),
    Picture("house-dark", f"{PLACE}&layer=width", (1440, 900), "dark"),
    Picture("house-phone", PLACE, (390, 844)),
    Picture("operators", "/operators", (1440, 900)),
    Picture("operators-dark", "/operators", (1440, 900), "dark"),
    Picture("operators-phone", "/operators", (390, 844)),
]


def test_every_picture_of_the_documents_can_be_made_again_and_is_small(
    browser: Browser,
    start: Callable[..., Service],
    instances: list[dict[str, Any]],
    old_home: Path,
    screenshots: Path,
) -> None:
    releases = open_releases(Settings(home=old_home))
    releases.write("monitoring/reports/20261123T000000Z.json", REPORT)
    running = start(old_home)
    for size in (1, 30, 200):
        assert running.predict(instances[:size]).status_code == 200

    for picture in PICTURES:
        content = take(browser, running.url, picture)
        (screenshots / f"{picture.name}.png").write_bytes(content)
        assert len(content) < LARGEST_BYTES, picture.name


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
def test_the_documents_have_each_picture(picture: Picture) -> None:
    with Image.open(KEPT / f"{picture.name}.png") as image:
        assert image.size == picture.size
    assert (KEPT / f"{picture.name}.png").stat().st_size < LARGEST_BYTES


def take(browser: Browser, url: str, picture: Picture) -> bytes:
    """Return a page as a PNG of few colours, once its figures are there."""
    width, height = picture.size
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=picture.scheme, locale="en-US"
    )
    page = context.new_page()
    page.goto(url + picture.path)
    if picture.path == "/operators":
        expect(page.locator("#latency-chart")).to_have_attribute("role", "img")
    else:
        expect(page.locator("#map-legend")).to_contain_text("orange")
        expect(page.locator("#slider-price")).to_contain_text("$")
    content = page.screenshot()
    context.close()
    with Image.open(io.BytesIO(content)) as image:
        few = image.convert("RGB").quantize(COLOURS)
    buffer = io.BytesIO()
    few.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
