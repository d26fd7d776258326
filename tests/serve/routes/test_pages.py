"""The page for people: nothing from outside, nothing inline, and the training rows for its map."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from msgspec.structs import replace

import serve
from housing_ml.data.contract import FIELDS, TARGET
from housing_ml.releases.channels import record_event, record_release
from housing_ml.releases.records import Event, now
from serve.routes.pages import MAX_PLACES, places
from tests.serve.conftest import Home

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.serve.conftest import Models, Service

EVENT = Event(kind="rejection", version="2", bundle="0" * 64, at=now(), by="me", reason="too slow")
PAGES = Path(serve.__file__).parent / "pages"


def test_the_page_and_every_file_that_it_names_are_served_under_a_strict_policy(
    service: Service,
) -> None:
    page = service.client.get("/")
    scripts = (item.read_text() for item in PAGES.glob("*.js"))
    named = set(re.findall(r'"(/assets/[\w.]+)"', "".join([page.text, *scripts])))

    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert {"/assets/house.js", "/assets/house.css", "/assets/icon.svg"} < named
    for name in named:
        answer = service.client.get(name)
        assert answer.status_code == 200, name
        assert answer.headers["content-type"].startswith(("text/", "image/svg+xml")), name


def test_operators_see_channels_decisions_and_the_monitors_last_report(
    service: Service, home: Home
) -> None:
    record_event(home.releases, EVENT)
    report = "monitoring/reports/20261123T000000Z.json"
    home.releases.write(report, b'{"champion": "1"}')
    state = service.client.get("/operations").json()
    (home.releases.root / report).unlink()  # others open the page of the same service

    assert service.client.get("/operators").status_code == 200
    assert state["channels"]["channels"]["champion"]["version"] == "1"
    assert state["history"][0]["reason"] == EVENT.reason
    assert state["monitor"] == {"champion": "1"}


def test_operators_see_what_a_version_showed_on_the_holdout_and_not_a_checks_value(
    start: Callable[..., Service], models: Models, tmp_path: Path
) -> None:
    """A check's value may be a distance: the coverage comes from the release."""
    observed = Home(tmp_path)
    release = observed.publish(models.first.bundle, "1")
    record_release(observed.releases, replace(release, metrics={"coverage": 0.908}))
    checks = [{"code": "G04", "value": 0.008, "limit": 0.02}]
    bundles = {"1": release.bundle, "2": "0" * 64}
    for version, bundle in bundles.items():
        judged = replace(EVENT, version=version, bundle=bundle, evidence={"checks": checks})
        record_event(observed.releases, judged)

    state = start(tmp_path).client.get("/operations").json()

    assert state["metrics"] == {release.bundle: {"coverage": 0.908}}
    assert len(state["history"]) == 2


def test_a_storage_that_cannot_be_read_is_said_and_no_stack_trace(
    start: Callable[..., Service], tmp_path: Path
) -> None:
    damaged = start(tmp_path, ready="/health/live")
    folder = tmp_path / "storage" / "releases"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "channels.json").write_bytes(b"{")

    answer = damaged.client.get("/operations")
    assert (answer.status_code, answer.json()["detail"]) == (
        503,
        "The release storage cannot be read now.",
    )


def test_no_other_file_is_served(service: Service) -> None:
    for name in ("settings.py", "..%2fapp.py", "docs.html"):
        assert service.client.get(f"/assets/{name}").status_code == 404


@pytest.mark.parametrize("page", sorted(PAGES.iterdir()), ids=lambda page: page.name)
def test_the_page_asks_no_other_host_and_runs_nothing_inline(page: Path) -> None:
    text = page.read_text().replace("http://www.w3.org/2000/svg", "")

    assert not re.search(r"(https?:)?//[\w.-]+\.\w+/", text)
    assert not re.search(r"<script(?![^>]*src=)|<style|\sstyle=|\son\w+=\"|innerHTML|eval\(", text)


def test_the_map_is_drawn_from_training_rows(service: Service, models: Models) -> None:
    columns = service.client.get("/places").json()

    held = models.first.bundle.features.neighbours_.values[0]
    assert len(columns["price"]) == min(MAX_PLACES, len(held))
    assert set(columns["price"]) <= set(held.round().astype(int).tolist())
    named = {"longitude", "latitude", "median_income", "housing_median_age", "price"}
    for name in named:
        field = FIELDS[TARGET if name == "price" else name]
        values = np.array(columns[name])
        assert ((values >= field.minimum) & (values <= field.maximum)).all(), name


def test_the_map_is_light(models: Models) -> None:
    found = places(models.second.bundle)

    lengths = {len(getattr(found, name)) for name in found.__struct_fields__}
    assert len(lengths) == 1
    assert lengths.pop() <= MAX_PLACES


def test_the_training_rows_need_a_key_where_the_api_does_and_the_page_does_not(
    start: Callable[..., Service],
) -> None:
    guarded = start(api_keys=f"shop:{hashlib.sha256(b'long-key').hexdigest()}")

    assert guarded.client.get("/").status_code == 200
    assert guarded.client.get("/places").status_code == 401
    assert guarded.client.get("/operations").status_code == 401
    assert guarded.client.get("/places", headers={"X-API-Key": "long-key"}).status_code == 200


def test_without_a_model_the_page_is_there_and_the_map_waits(
    start: Callable[..., Service], tmp_path: Path
) -> None:
    empty = start(tmp_path, ready="/health/live")

    assert empty.client.get("/").status_code == 200
    answer = empty.client.get("/places")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
