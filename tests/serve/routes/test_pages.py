"""The page for people: nothing from outside, nothing inline, and the training rows for its map."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest
from msgspec.structs import replace

import serve
from housing_ml.data.contract import CATEGORY, FIELDS, TARGET
from housing_ml.releases.channels import record_event, record_release
from housing_ml.releases.holdout_errors import errors_name
from housing_ml.releases.publishing import holdout_errors
from housing_ml.releases.records import Event, now
from serve.routes.places import MAX_PLACES, places
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
    imported = re.findall(r'from "\./([\w.]+)"', "".join(scripts))
    named = {f"/assets/{name}" for name in imported}
    named |= set(re.findall(r'"(/assets/[\w./]+)"', page.text))

    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert {"/assets/house.js", "/assets/icon.svg", "/assets/vendor/leaflet.js"} < named
    for name in named:
        answer = service.client.get(name)
        assert answer.status_code == 200, name
        assert answer.headers["content-type"].startswith(
            ("text/", "image/svg+xml", "application/json")
        ), name


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
    for name in ("settings.py", "..%2fapp.py", "../app.py", "vendor/NOTICE.md", "docs.html"):
        assert service.client.get(f"/assets/{name}").status_code == 404


@pytest.mark.parametrize("page", sorted(PAGES.glob("*.*")), ids=lambda page: page.name)
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


def test_the_map_shows_what_a_release_published_of_its_holdout(
    start: Callable[..., Service], models: Models, tmp_path: Path
) -> None:
    observed = Home(tmp_path)
    digest = observed.publish(models.first.bundle, "1").bundle
    running = start(tmp_path)
    assert running.client.get("/places/errors").json()["actual"] == []

    rows = models.holdout[:300]
    predicted = models.first.bundle.predict(models.raw[:300])
    shown = holdout_errors(rows.assign(actual=rows[TARGET], predicted=predicted))
    observed.releases.write(errors_name(digest), msgspec.json.encode(shown))

    columns = running.client.get("/places/errors").json()
    assert columns["predicted"] == predicted.round().tolist()
    assert columns["longitude"] == rows["longitude"].tolist()
    assert columns["ocean_proximity"] == rows[CATEGORY].tolist()


def test_each_caller_sees_the_prices_that_it_was_told_last(
    start: Callable[..., Service], instances: list[dict[str, Any]]
) -> None:
    keys = {name: f"key-of-{name}" for name in ("shop", "bank")}
    hashes = [f"{name}:{hashlib.sha256(key.encode()).hexdigest()}" for name, key in keys.items()]
    guarded = start(api_keys=",".join(hashes))
    told = {}
    for (name, key), rows in zip(keys.items(), (instances[:3], instances[3:40]), strict=True):
        answer = guarded.predict(rows, headers={"X-API-Key": key}).json()["predictions"]
        told[name] = [round(item["predicted_price"]) for item in answer]

    for name, key in keys.items():
        seen = guarded.client.get("/places/recent", headers={"X-API-Key": key}).json()
        assert seen["price"] == told[name]


def test_large_files_come_compressed_to_those_who_take_it(service: Service) -> None:
    for path in ("/assets/vendor/leaflet.js", "/places"):
        plain = service.client.get(path, headers={"Accept-Encoding": "identity"})
        small = service.client.get(path, headers={"Accept-Encoding": "gzip"})

        assert "content-encoding" not in plain.headers
        assert small.headers["content-encoding"] == "gzip"
        assert small.content == plain.content
        assert int(small.headers["content-length"]) < len(plain.content) / 2


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
