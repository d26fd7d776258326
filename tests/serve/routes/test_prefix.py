"""Below a path: behind a real proxy that strips it, one that does not, and with strangers."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from playwright.sync_api import expect

from benchmarks.server import Server
from serve.settings import SettingsError, from_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    from tests.serve.conftest import Service

PATIENCE_MILLISECONDS = 20_000
NGINX = """
pid nginx.pid;
daemon off;
master_process off;
events {}
http {
  access_log off;
  client_body_temp_path body; proxy_temp_path proxied;
  fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  server {
    listen 127.0.0.1:LISTEN;
    location /housing/ {
      proxy_pass http://127.0.0.1:SERVICE/;
      proxy_set_header X-Forwarded-Prefix "TOLD";
    }
  }
}
"""


@pytest.fixture
def behind_nginx(start: Callable[..., Service], tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Starts a service behind nginx, which strips `/housing`; returns nginx's address."""
    nginx = shutil.which("nginx")
    if nginx is None:
        pytest.skip("nginx is not installed: apt-get install nginx-light")
    running: list[Server] = []

    def behind(told: str = "", **settings: Any) -> str:
        service = start(**settings)
        config = NGINX.replace("SERVICE", str(service.port)).replace("TOLD", told)
        (tmp_path / "template").write_text(config)
        run = (
            f"sed s/LISTEN/{{port}}/ template >own && exec {nginx} -p {tmp_path}/ -c own -e stderr"
        )
        running.append(
            Server(["sh", "-c", run], {}, folder=tmp_path, ready="/housing/health/ready")
        )
        return running[-1].url

    yield behind
    for server in running:
        server.stop()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[[str], Page]]:
    """Opens a page; a complaint on its console, or a request beside the prefix, is a failure."""
    complaints: list[str] = []
    pages: list[Page] = []

    def open_page(url: str) -> Page:
        page = browser.new_page()
        pages.append(page)
        page.set_default_timeout(PATIENCE_MILLISECONDS)
        page.on("console", lambda said: said.type == "error" and complaints.append(said.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: _stay(request.url, complaints))
        page.goto(url)
        return page

    yield open_page
    for page in pages:
        page.close()
    assert complaints == []


def _stay(url: str, complaints: list[str]) -> None:
    if not re.match(r"http://127\.0\.0\.1:\d+/housing/", url):
        complaints.append(f"left the prefix: {url}")


@pytest.mark.parametrize(
    ("told", "settings"),
    [
        ("", {"root_path": "/housing"}),
        ("/housing", {"trusted_proxies": "127.0.0.1"}),
        ("/housing", {"trusted_proxies": "127.0.0.1", "root_path": "/elsewhere"}),
    ],
    ids=["setting", "named proxy", "the proxy goes first"],
)
def test_people_use_every_page_behind_a_proxy_that_strips_the_prefix(
    behind_nginx: Callable[..., str],
    open_page: Callable[[str], Page],
    told: str,
    settings: dict[str, str],
) -> None:
    url = behind_nginx(told, **settings)
    page = open_page(f"{url}/housing/")
    expect(page.locator("#map-legend")).to_contain_text("orange")
    page.get_by_role("button", name="Price it").click()
    expect(page.locator(".money")).to_be_visible()

    page.get_by_role("link", name="for operators").click()
    expect(page.locator("#summary")).to_contain_text("is the champion")
    page.get_by_role("link", name="The page for everybody").click()
    page.get_by_role("link", name="API").click()
    page.locator("summary", has_text="/api/v1/model").click()
    page.locator("details[open]").get_by_role("button", name="Send").click()
    expect(page.locator("details[open] pre")).to_contain_text("model_version")
    document = page.get_by_role("link", name="openapi.json").get_attribute("href")
    assert httpx.get(f"{url}{document}").json()["servers"] == [{"url": "/housing"}]


def test_a_client_made_from_the_document_finds_the_service(
    behind_nginx: Callable[..., str], instances: list[dict[str, Any]]
) -> None:
    url = behind_nginx(root_path="/housing/")
    document = httpx.get(f"{url}/housing/docs/openapi.json").json()
    (predict,) = (path for path in document["paths"] if path.endswith("/predict"))
    asked = {"instances": instances[:1]}
    answer = httpx.post(url + document["servers"][0]["url"] + predict, json=asked)
    assert answer.status_code == 200


def test_a_proxy_may_leave_the_prefix_on(start: Callable[..., Service]) -> None:
    service = start(root_path="/a/b")
    for path in ("/health/ready", "/docs", "/assets/api.js", "/"):
        assert service.client.get("/a/b" + path).status_code == 200
        assert service.client.get(path).status_code == 200
    assert service.client.get("/a/b").status_code == 200
    assert service.client.get("/a/bc/health/ready").status_code == 404
    assert 'href="/a/b/assets/house.css"' in service.client.get("/a/b/").text
    assert service.metric("housing_request_seconds_count", route="/health/ready") >= 3


def test_a_stranger_chooses_no_prefix(service: Service) -> None:
    told = {"X-Forwarded-Prefix": "/elsewhere"}
    assert "/elsewhere" not in service.client.get("/", headers=told).text
    assert service.client.get("/elsewhere/health/ready", headers=told).status_code == 404


@pytest.mark.parametrize(
    "told", ["//evil.example", "https://evil.example", '/"><script>', "/a b", "/a/../b?c", "/a, /b"]
)
def test_a_named_proxy_passes_on_nothing_but_a_path(named_proxy: Service, told: str) -> None:
    answer = named_proxy.client.get("/docs", headers={"X-Forwarded-Prefix": told})
    assert answer.text == named_proxy.client.get("/docs").text


@pytest.fixture(scope="module")
def named_proxy(home: Any) -> Iterator[Service]:
    """A service to whom everybody on this machine is a named proxy."""
    from tests.serve.conftest import Service as RunningService  # noqa: PLC0415

    with RunningService(home.path, trusted_proxies="127.0.0.1") as found:
        yield found


@pytest.mark.parametrize("path", ["housing", "/housing prices", "//x", "/docs", "/api/v1", '/"'])
def test_a_path_that_cannot_be_one_is_refused_at_the_start(path: str) -> None:
    with pytest.raises(SettingsError, match="ROOT_PATH"):
        from_environment({"HOUSING_SERVE_ROOT_PATH": path})
