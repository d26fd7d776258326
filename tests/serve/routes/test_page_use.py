"""The pages as people use them, in a real browser: mouse, keyboard, phone, light and dark."""

from __future__ import annotations

import csv
import hashlib
import itertools
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qs, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from msgspec.structs import replace
from playwright.sync_api import Page, expect

from housing_ml.data.contract import COLUMNS
from housing_ml.monitoring.analysis import MonitorReport
from housing_ml.monitoring.drift import Alarm, ColumnDrift, WindowDrift
from housing_ml.monitoring.intervals import Estimate
from housing_ml.monitoring.performance import Estimates, LiveError
from housing_ml.monitoring.retraining import RetrainingDecision
from housing_ml.releases.champion import promote_version
from housing_ml.releases.channels import record_event, record_release
from housing_ml.releases.records import Event, now
from tests.serve.conftest import Home
from tests.serve.routes.conftest import SIZES, ready
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from housing_ml.releases.records import Kind
    from tests.serve.conftest import Models, Service

SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
LIGHT_BYTES = 400_000
MINUS = "\N{MINUS SIGN}"


def _event(kind: Kind, version: str, evidence: dict[str, Any]) -> Event:
    return Event(
        kind=kind,
        version=version,
        bundle=version * 64,
        at=now(),
        by="me",
        reason="x",
        evidence=evidence,
    )


def _judged(version: str) -> Event:
    """A decision whose checks are named after metrics that their values are not."""
    values = {"G01": 1.0, "G02": 0.01, "G03": 0.02, "G04": 0.008}
    checks = [
        {"code": code, "title": "t", "value": value, "verdict": "pass", "reason": "kept"}
        for code, value in values.items()
    ]
    return _event("promotion", version, {"checks": checks})


HISTORY = [
    _judged("1"),
    _judged("2"),
    _event("rollback", "1", {"from_version": "2"}),
]


def _report() -> bytes:
    """What the monitor writes when income has moved."""
    column = ColumnDrift(
        name="median_income",
        rows=900,
        test="Kolmogorov-Smirnov",
        statistic=0.4,
        p_value=0.0,
        psi=0.5,
        distance=1.2,
        missing=0.0,
        outside=0.1,
        verdict="drift",
        reasons=("far from training",),
    )
    error = Estimate(0.2, 0.18, 0.22)
    estimates = Estimates(mape=error, wmape=error, within_10=error, bias=error, coverage=error)
    moment = datetime(2026, 11, 23, tzinfo=UTC)
    days = [moment - timedelta(days=7 - day) for day in range(7)]
    steady = column.model_copy(update={"name": "latitude", "psi": 0.02, "verdict": "steady"})
    by_day = [
        LiveError(kind="day", name=f"{day:%Y-%m-%d}", rows=500, estimates=estimates, foreseen=error)
        for day in days
    ]
    report = MonitorReport(
        at=moment,
        champion="3",
        alert=True,
        predictions=900,
        labelled=500,
        alarms=(Alarm(name="median_income", windows=2, reasons=("far from training",)),),
        live_error=(),
        error_limit=0.3,
        retraining=RetrainingDecision(retrain=False, checks=(), reasons=("too few prices",)),
        windows=tuple(
            WindowDrift(start=day, version="3", rows=900, columns=(column, steady)) for day in days
        ),
        performance=(
            LiveError(kind="segment", name="INLAND", rows=500, estimates=estimates),
            *by_day,
        ),
        skipped=(),
        unknown_versions=(),
    )
    return report.model_dump_json().encode()


REPORT = _report()
CHARTS = {"error": "actual 20 %", "requests": "requests 1 a minute", "latency": "median within"}


def money(text: str) -> int:
    return int(re.sub(r"[^\d]", "", text))


def price(page: Page) -> int:
    expect(page.locator(".money")).to_be_visible()
    return money(page.locator(".money").inner_text())


def test_a_person_fills_the_form_and_sees_price_interval_and_reasons(
    visit: Callable[..., Page], service: Service
) -> None:
    page = ready(visit())
    page.get_by_label("Median income").fill("9.5")
    page.get_by_label("Ocean proximity").select_option("NEAR OCEAN")
    page.get_by_role("button", name="Price it").click()
    shown = price(page)

    sent = {name: page.locator(f"#{name}").input_value() for name in COLUMNS if name != COLUMNS[-1]}
    place = {name: float(value) for name, value in sent.items()} | {COLUMNS[-1]: "NEAR OCEAN"}
    answer = service.predict([place]).json()["predictions"][0]
    assert shown == round(answer["predicted_price"])
    interval = page.locator(".money + p").inner_text()
    lower, upper = (money(part) for part in interval.partition(" for ")[0].split(" to "))
    assert lower <= shown <= upper
    reasons = page.locator("#result td.number:has(+ .bars)").all_inner_texts()
    base = money(page.locator("#result caption").first.inner_text().partition(", the")[0])
    signed = [-money(text) if text.startswith(MINUS) else money(text) for text in reasons]
    assert base + sum(signed) == pytest.approx(shown, abs=len(reasons) + 1)


def test_a_value_that_breaks_the_contract_is_said_at_its_field_and_mended(
    visit: Callable[..., Page],
) -> None:
    page = ready(visit())
    income = page.get_by_label("Median income")
    income.fill("-3")
    page.get_by_role("button", name="Price it").click()
    expect(income).to_have_attribute("aria-invalid", "true")
    expect(income).to_be_focused()
    expect(page.locator("#median_income-help")).to_contain_text("0")
    expect(page.locator("#result")).to_contain_text("median_income")
    income.fill("3")
    expect(income).to_have_attribute("aria-invalid", "false")
    page.get_by_role("button", name="Price it").click()
    assert price(page) > 0


def test_a_click_on_the_map_fills_in_the_place_and_what_is_typical_there(
    visit: Callable[..., Page],
) -> None:
    page = ready(visit())
    before = page.get_by_label("Median income").input_value()
    box = page.locator("#map").bounding_box()
    assert box is not None
    page.locator("#map").click(position={"x": box["width"] * 0.55, "y": box["height"] * 0.7})

    expect(page.locator("#map-place")).to_contain_text("houses nearby at about $")
    assert price(page) > 0
    north = float(page.get_by_label("Latitude").input_value())
    west = float(page.get_by_label("Longitude").input_value())
    assert 32 < north < 36
    assert -121 < west < -115
    assert page.get_by_label("Median income").input_value() != before


def test_each_layer_of_the_map_has_its_colours_and_says_when_it_has_nothing(
    visit: Callable[..., Page],
) -> None:
    page = ready(visit())
    for layer, unit in (("Width of the interval", "$30,000"), ("Density", "rows per km²")):
        page.get_by_label(layer).check()
        expect(page.locator("#map-legend")).to_contain_text(unit)
    page.get_by_label("Error on the holdout").check()
    expect(page.locator("#map-legend")).to_contain_text("published no errors by place")
    page.get_by_role("button", name="Price it").click()
    assert price(page) > 0
    page.get_by_label("Your recent prices").check()
    expect(page.locator("#map-legend")).to_contain_text("$75,000")


def test_a_price_shows_the_block_groups_that_it_leans_on(
    visit: Callable[..., Page], service: Service
) -> None:
    page = ready(visit())
    page.get_by_role("button", name="Price it").click()
    rows = page.locator("#result table").last.locator("tbody tr")
    expect(rows).to_have_count(5)

    place = {name: page.locator(f"#{name}").input_value() for name in COLUMNS}
    asked = {name: float(value) for name, value in place.items() if name != COLUMNS[-1]}
    asked[COLUMNS[-1]] = place[COLUMNS[-1]]
    answer = service.client.post("/api/v1/explain", json={"instances": [asked]}).json()
    told = [round(found["price"]) for found in answer["explanations"][0]["comparables"]]
    assert [money(text) for text in rows.locator("th").all_inner_texts()] == told


def test_a_link_opens_the_same_form_price_and_map(visit: Callable[..., Page]) -> None:
    page = ready(visit())
    page.get_by_label("Median income").fill("7.25")
    page.get_by_label("Density").check()
    page.get_by_role("button", name="Zoom in").click()
    page.get_by_role("button", name="Price it").click()
    shown = price(page)
    expect(page.locator("#what-if")).to_be_visible()

    other = visit(page.url)

    assert price(other) == shown
    assert other.get_by_label("Median income").input_value() == "7.25"
    expect(other.get_by_label("Density")).to_be_checked()
    parts = [parse_qs(urlsplit(one.url).query) for one in (page, other)]
    assert parts[0] == parts[1]


def test_on_paper_it_is_one_page_and_the_map_comes_back(visit: Callable[..., Page]) -> None:
    page = ready(visit())
    page.get_by_role("button", name="Price it").click()
    expect(page.locator("#what-if")).to_be_visible()
    before = parse_qs(urlsplit(page.url).query)["zoom"]

    paper = page.pdf(format="A4")

    assert len(re.findall(rb"/Type\s*/Page[^s]", paper)) == 1
    assert parse_qs(urlsplit(page.url).query)["zoom"] == before


def test_the_slider_tells_what_another_value_would_be_worth(visit: Callable[..., Page]) -> None:
    page = ready(visit())
    page.get_by_role("button", name="Price it").click()
    slider, told = page.locator("#slider"), page.locator("#slider-price")
    expect(told).to_contain_text("$")
    slider.fill("0")
    poor = money(told.inner_text().partition(": ")[2])
    slider.fill("40")
    rich = money(told.inner_text().partition(": ")[2])
    assert rich > poor
    page.get_by_label("Vary").select_option("housing_median_age")
    expect(told).not_to_contain_text(f"{rich:,}")
    slider.fill("0")
    expect(told).to_contain_text("1: $")


def test_a_csv_file_is_priced_with_progress_errors_by_row_and_a_download(
    visit: Callable[..., Page], instances: list[dict[str, Any]], service: Service, tmp_path: Path
) -> None:
    rows = [dict(row) for row in instances[:1500]]
    rows[3]["median_income"] = -1
    rows[1200]["ocean_proximity"] = 'MOON, "dark side"'
    with (tmp_path / "places.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    page = ready(visit())
    page.get_by_label("CSV file").set_input_files(tmp_path / "places.csv")

    expect(page.locator("#progress-text")).to_have_text("1,498 rows priced, 2 not.")
    assert page.locator("#progress").evaluate("bar => bar.value") == 1
    faults = page.locator("#batch-errors tr").all_inner_texts()
    assert [fault.split()[:2] for fault in faults] == [
        ["4", "median_income"],
        ["1201", "ocean_proximity"],
    ]
    with page.expect_download() as started:
        page.get_by_role("link", name="Download the priced file").click()
    assert started.value.suggested_filename == "places-priced.csv"
    with started.value.path().open(newline="") as file:
        priced = list(csv.DictReader(file))
    assert len(priced) == len(rows)
    assert priced[3]["predicted_price"] == ""
    assert priced[1200]["ocean_proximity"] == rows[1200]["ocean_proximity"]
    answer = service.predict(rows[:1]).json()["predictions"][0]
    assert float(priced[0]["predicted_price"]) == pytest.approx(answer["predicted_price"], abs=0.01)


def test_a_file_without_the_contracts_columns_is_refused_with_their_names(
    visit: Callable[..., Page], tmp_path: Path
) -> None:
    (tmp_path / "wrong.csv").write_text("longitude,latitude\n-120,37\n")
    page = ready(visit())
    page.get_by_label("CSV file").set_input_files(tmp_path / "wrong.csv")

    expect(page.locator("#progress-text")).to_contain_text("lacks housing_median_age, total_rooms")
    expect(page.get_by_role("link", name="Download")).to_be_hidden()


def test_all_of_it_can_be_done_with_the_keyboard(visit: Callable[..., Page]) -> None:
    page = ready(visit())
    reached: list[str] = []
    while "file" not in reached:
        page.keyboard.press("Tab")
        focused = page.evaluate("document.activeElement.id || document.activeElement.textContent")
        assert focused not in reached, "the focus went round without reaching the file"
        reached.append(focused)
        if focused == "map":
            page.keyboard.press("ArrowDown")
            page.keyboard.press("ArrowRight")
            page.keyboard.press("Enter")
            assert price(page) > 0
            latitude = float(page.get_by_label("Latitude").input_value())
            assert 36.5 < latitude < 37.88  # south of where the cross was
            expect(page.locator("#map")).to_be_focused()
        if focused == "Price it":
            page.keyboard.press("Enter")
            expect(page.locator("#what-if")).to_be_visible()
        if focused == "slider":
            before = page.locator("#slider-price").inner_text()
            page.keyboard.press("ArrowRight")
            expect(page.locator("#slider-price")).not_to_have_text(before)
    assert [name for name in reached if name in COLUMNS] == list(COLUMNS)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("path", ["/", "/operators"])
def test_both_pages_are_accessible_and_fit_in_light_and_dark(
    visit: Callable[..., Page], screenshots: Path, path: str, size: str
) -> None:
    page = visit(path, size=size)
    if path == "/":
        ready(page).get_by_role("button", name="Price it").click()
        expect(page.locator("#slider-price")).to_contain_text("$")
    else:
        expect(page.locator("#summary")).to_contain_text("is the champion")

    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        picture = f"{path.strip('/') or 'house'}-{size}-{scheme}.png"
        page.screenshot(path=screenshots / picture, full_page=True)
        found = Axe().run(page, options={"runOnly": {"type": "tag", "values": RULES}})
        assert found.violations_count == 0, found.generate_report()
        assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size][0]
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        darkest = min(int(part) for part in re.findall(r"\d+", background)[:3])
        assert (darkest > 128) == (scheme == "light")


def test_operators_see_figures_over_versions_drift_live_error_and_roll_backs(
    visit: Callable[..., Page],
    start: Callable[..., Service],
    models: Models,
    instances: list[dict[str, Any]],
    tmp_path: Path,
    screenshots: Path,
) -> None:
    observed = Home(tmp_path)
    release = observed.publish(models.first.bundle, "3")
    for version, rmse in (("1", 41_000.0), ("2", 39_000.0)):
        shown = {"rmse": rmse, "r2": 0.88, "mape": 0.125, "coverage": 0.908}
        judged = replace(release, version=version, bundle=version * 64, metrics=shown)
        record_release(observed.releases, judged)
    for event in HISTORY:
        record_event(observed.releases, event)
    observed.releases.write("monitoring/reports/20261123T000000Z.json", REPORT)
    running = start(tmp_path)
    assert running.predict(instances[:1]).status_code == 200
    page = visit(f"{running.url}/operators")

    expect(page.locator("#figures-table tbody tr")).to_have_count(2)
    newest = page.locator("#figures-table tbody tr").first
    expect(newest).to_contain_text("$39,000")
    expect(newest).to_contain_text("12.5 %")
    expect(newest).to_contain_text("90.8 %")
    expect(page.locator("#rollbacks-table")).to_contain_text("2 to 1")
    expect(page.locator("#monitor-report")).to_contain_text("median_income: far from training")
    expect(page.locator("#monitor-report")).to_contain_text("segment INLAND")
    expect(page.locator("#monitor-report")).to_contain_text("20.0 % (18.0 % to 22.0 %)")
    page.get_by_text("4 checks, 0 failed").last.click()
    expect(page.get_by_role("group", name="Checks of the gate").last).to_be_visible()
    expect(page.locator("#traffic-table")).to_contain_text("/operators")
    for chart, words in CHARTS.items():
        expect(page.locator(f"#{chart}-chart")).to_have_attribute("aria-label", re.compile(words))
    expect(page.locator("#alarms-list")).to_contain_text("median_income: far from training")
    expect(page.locator("#timeline-list li")).to_have_count(3)
    expect(page.locator("#gate-picture dt")).to_have_count(4)
    expect(page.locator("#drift-multiples dt")).to_have_count(2)
    screen = page.locator("#screen").bounding_box()
    assert screen is not None
    assert screen["y"] + screen["height"] <= SIZES["desktop"][1]
    for size, scheme in itertools.product(SIZES, SCHEMES):
        width, height = SIZES[size]
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme=scheme)
        picture = f"operators-with-history-{size}-{scheme}.png"
        page.screenshot(path=screenshots / picture, full_page=True)
        found = Axe().run(page, options={"runOnly": {"type": "tag", "values": RULES}})
        assert found.violations_count == 0, found.generate_report()
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_an_operator_rolls_back_by_button_and_sees_before_what_changes(
    visit: Callable[..., Page], start: Callable[..., Service], models: Models, tmp_path: Path
) -> None:
    operated = Home(tmp_path)
    for version, model in (("1", models.first), ("2", models.second)):
        release = operated.publish_files(model.bundle.files(), model.bundle.digest, version)
        record_release(operated.releases, replace(release, passed_gate=True))
        promote_version(operated.releases, version, why="better", by="me")
    key = hashlib.sha256(b"on-call").hexdigest()
    running = start(tmp_path, operator_keys=f"ann:{key}", poll_seconds=0.2)
    page = visit(f"{running.url}/operators")

    page.get_by_text("Roll back …").click()
    expect(page.locator("#back-preview")).to_contain_text("Version 2 leaves, and version 1")
    page.get_by_label("Why").fill("prices look wrong")
    page.get_by_label("Operator's key").fill("on-call")
    page.get_by_role("button", name="Roll back").click()

    expect(page.locator("#back-answer")).to_contain_text("Version 1 is the champion again")
    until(lambda: running.version() == "1")
    expect(page.get_by_label("Operator's key")).to_have_value("")


def test_an_operator_promotes_and_aborts_by_button(
    visit: Callable[..., Page], start: Callable[..., Service], models: Models, tmp_path: Path
) -> None:
    operated = Home(tmp_path)
    operated.publish(models.first.bundle, "1")
    operated.try_out("canary", models.second.bundle, "2")
    key = hashlib.sha256(b"on-call").hexdigest()
    running = start(tmp_path, operator_keys=f"ann:{key}", poll_seconds=0.2)
    page = visit(f"{running.url}/operators")

    def do(what: str, preview: str) -> None:
        expect(page.locator("#back-preview")).to_contain_text(preview)
        page.get_by_label("Why").fill("as agreed")
        page.get_by_label("Operator's key").fill("on-call")
        page.get_by_role("button", name=what).click()

    page.get_by_text("Roll back …").click()
    page.get_by_role("radio", name="Abort").check()
    do("Abort", "Version 2 no longer answers 50.0\N{NO-BREAK SPACE}% of the requests: version 1")
    expect(page.locator("#back-answer")).to_contain_text("The canary, version 2, ended.")
    expect(page.locator("#back-preview")).to_contain_text("Neither a canary nor a shadow runs.")
    expect(page.get_by_role("button", name="Abort")).to_be_disabled()
    page.get_by_role("radio", name="Promote").check()
    expect(page.get_by_label("Release")).to_have_value(models.second.bundle.digest)
    do("Promote", "Version 2 becomes the champion within seconds, in place of version 1")
    expect(page.locator("#back-answer")).to_contain_text("Version 2 is the champion.")
    until(lambda: running.version() == "2")


def test_the_page_is_light_enough_to_be_there_at_once(visit: Callable[..., Page]) -> None:
    page = ready(visit())
    sizes = page.evaluate(
        "performance.getEntriesByType('resource').map((one) => [one.name, one.encodedBodySize])"
    )
    assert sum(size for _, size in sizes) < LIGHT_BYTES, sizes
