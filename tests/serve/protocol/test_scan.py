"""What scanners ask of every server on the internet: nothing of it is there, and nothing breaks."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from tests.waiting import PATIENCE_SECONDS

if TYPE_CHECKING:
    from tests.serve.conftest import Service

PATHS = [
    *(
        "/.env",
        "/.git/config",
        "/wp-login.php",
        "/server-status",
        "/actuator/env",
        "/admin",
        "/cgi-bin/x",
    ),
    *(
        "/assets/../../settings.py",
        "/assets/..%2f..%2fsettings.py",
        "/assets/%2e%2e/%2e%2e/etc/passwd",
    ),
    *("/assets/....//....//etc/passwd", "/assets//etc/passwd", "/assets/C:%5cwindows%5cwin.ini"),
    *(
        "/assets/house.js%00.png",
        "/%00",
        "/%ff%fe",
        "/%c0%ae%c0%ae/etc/passwd",
        "//evil.example/%2f..",
        "/?" + "a=b&" * 8_000,
    ),
    *("/api/v1/predict/../../metrics", "/api/v1/predictions/' OR 1=1 --".replace(" ", "%20")),
    *(
        "/api/v1/predictions/${jndi:ldap://127.0.0.1/a}",
        "/?x=<script>alert(1)</script>",
        "/?x={{7*7}}",
    ),
    *(
        "http://127.0.0.1:1/latest/meta-data/",
        "/api/v1/model?version[$ne]=1",
        "*",
        "/%0d%0aSet-Cookie:x=1",
    ),
]
METHODS = [
    "TRACE",
    "TRACK",
    "CONNECT",
    "PUT",
    "DELETE",
    "PATCH",
    "PROPFIND",
    "DEBUG",
    "get",
    "X" * 300,
]
HEADERS = [
    "X-Forwarded-For: 127.0.0.1, <script>\r\nX-Forwarded-Prefix: //evil.example",
    "Host: evil.example\r\nX-Forwarded-Host: evil.example\r\nX-Original-URL: /api/v1/rollback",
    "Accept: ../../etc/passwd\r\nAccept-Encoding: x" + ",gzip;q=0." * 500,
    "Range: bytes=0-,0-,0-,0-,0-\r\nIf-None-Match: " + '"x",' * 2_000,
    "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 0\r\nExpect: 999-never",
    "Cookie: " + "a=b; " * 3_000,
    "Authorization: Bearer ' OR 1=1\r\nX-API-Key: \x80\xff",
    "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQ",
    "() { :; }: echo shellshock",
]
ABROAD = (b"evil.example", b"root:", b"[extensions]", b"Set-Cookie", b"shellshock", b"Traceback")


def answer(service: Service, request: str) -> bytes:
    """All that the service sends for a request after which the connection is closed."""
    with socket.create_connection(("127.0.0.1", service.port), PATIENCE_SECONDS) as client:
        client.sendall(request.encode("latin-1"))
        client.shutdown(socket.SHUT_WR)
        found = b""
        try:
            while data := client.recv(65_536):
                found += data
        except ConnectionError:
            pass  # the service had seen enough
        return found


def probe(service: Service, method: str, path: str, headers: str = "X: 1") -> bytes:
    host = "" if headers.startswith("Host:") else "Host: x\r\n"
    return answer(
        service, f"{method} {path} HTTP/1.1\r\n{host}Connection: close\r\n{headers}\r\n\r\n"
    )


@pytest.mark.parametrize("path", PATHS)
def test_a_path_that_scanners_try_is_refused_and_tells_nothing(service: Service, path: str) -> None:
    found = probe(service, "GET", path)

    assert 200 <= int(found[9:12]) < 500
    head, _, body = found.partition(b"\r\n\r\n")
    assert int(found[9:12]) != 200 or path.startswith(("/?", "/api/v1/model?", "http:", "//"))
    assert not [word for word in ABROAD if word in head or word in body]
    assert b"<script>alert" not in body


@pytest.mark.parametrize("method", METHODS)
def test_a_method_that_scanners_try_changes_nothing(service: Service, method: str) -> None:
    for path in ("/", "/api/v1/predict", "/api/v1/rollback"):
        assert 400 <= int(probe(service, method, path)[9:12]) < 500


@pytest.mark.parametrize("headers", HEADERS)
def test_headers_that_scanners_send_are_not_believed(service: Service, headers: str) -> None:
    for path in ("/", "/health/ready", "/nowhere"):
        found = probe(service, "GET", path, headers)
        assert 200 <= int(found[9:12]) < 500
        assert not [word for word in ABROAD if word in found]


def test_after_all_of_it_the_service_is_well(service: Service) -> None:
    assert probe(service, "GET", "/health/ready").startswith(b"HTTP/1.1 200")
