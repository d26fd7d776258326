"""Whatever a client does with its connection: it ends in time and locks out nobody."""

from __future__ import annotations

import contextlib
import json
import resource
import selectors
import socket
import time
from typing import TYPE_CHECKING, Any

import pytest

from serve.settings import Settings
from tests.serve.conftest import Home
from tests.serve.conftest import Service as RunningService
from tests.waiting import PATIENCE_SECONDS, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.serve.conftest import Models, Service

HEAD = b"POST /api/v1/predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
LIVE = b"GET /health/live HTTP/1.1\r\nHost: x\r\n"
SECONDS = 1.0
"""Time that clients have in these tests; it is 10 seconds unless it is set."""


@pytest.fixture(scope="module")
def hasty(home: Home) -> Iterator[Service]:
    """A service that gives its clients a second."""
    with RunningService(home.path, client_seconds=SECONDS, idle_seconds=SECONDS) as found:
        yield found


def connect(service: Service, source: str = "127.0.0.1") -> socket.socket:
    address = ("127.0.0.1", service.port)
    return socket.create_connection(address, timeout=PATIENCE_SECONDS, source_address=(source, 0))


def read_all(client: socket.socket) -> bytes:
    """What comes until the service ends the connection; an end by force counts too."""
    found = b""
    with contextlib.suppress(ConnectionError):
        while data := client.recv(65_536):
            found += data
    return found


def status(answer: bytes) -> int:
    return int(answer[9:12]) if answer else 0


def dripped(client: socket.socket, parts: Iterator[bytes]) -> bytes:
    """Send a part every tenth of a second until the service has had enough; return its answer."""
    with selectors.DefaultSelector() as selector:
        selector.register(client, selectors.EVENT_READ)
        for part in parts:
            if selector.select(0.1):
                break
            with contextlib.suppress(ConnectionError):
                client.sendall(part)
    return read_all(client)


@pytest.mark.parametrize(
    ("sent", "answered"),
    [
        (b"", 0),
        (b"\r\n", 408),
        (LIVE[:9], 408),
        (LIVE, 408),
        (LIVE + b"\r\n" + LIVE[:9], 200),
        (HEAD + b"Content-Length: 100\r\n\r\n", 408),
        (HEAD + b'Content-Length: 100\r\n\r\n{"inst', 408),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", 408),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n4\r\n{", 408),
        (LIVE + b"Content-Length: 100\r\n\r\n", 200),
        (LIVE + b"\r\n", 200),
    ],
)
def test_silence_ends_a_connection_wherever_it_begins(
    hasty: Service, sent: bytes, answered: int
) -> None:
    with connect(hasty) as client:
        client.sendall(sent)
        assert status(read_all(client)) == answered


def test_silence_after_a_promise_of_a_body_is_answered_408(hasty: Service) -> None:
    with connect(hasty) as client:
        client.sendall(HEAD + b"Content-Length: 100\r\nExpect: 100-continue\r\n\r\n")
        first, _, second = read_all(client).partition(b"\r\n\r\n")
    assert (status(first), status(second)) == (100, 408)
    assert json.loads(second.partition(b"\r\n\r\n")[2])["status"] == 408


def test_a_dripped_head_and_a_dripped_body_end_in_time(hasty: Service) -> None:
    with connect(hasty) as client:
        client.sendall(LIVE)
        assert status(dripped(client, iter([b"X-Drip: 1\r\n"] * 200))) == 408
    with connect(hasty) as client:
        client.sendall(HEAD + b"Content-Length: 9999\r\n\r\n")
        assert status(dripped(client, iter([b" "] * 200))) in (0, 408)


def test_waits_for_a_client_are_no_latency_of_the_service(service: Service) -> None:
    def counted() -> tuple[float, float]:
        answered = {"route": "/api/v1/predict", "status": "400"}
        return (
            service.metric("housing_client_wait_seconds_sum"),
            service.metric("housing_request_seconds_sum", **answered),
        )

    before, begun = counted(), time.monotonic()
    with connect(service) as client:
        client.sendall(HEAD + b"Content-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert status(client.recv(65_536)) == 100
        asked = time.monotonic()
        time.sleep(0.5)
        waited = time.monotonic() - asked
        client.sendall(b"{}")
        assert status(client.recv(65_536)) == 400
    until(lambda: counted()[1] > before[1])
    whole = time.monotonic() - begun  # until the service has ended its part too
    wait, latency = (now - then for now, then in zip(counted(), before, strict=True))
    assert wait >= waited
    assert latency <= whole - waited


@pytest.mark.parametrize(
    "head",
    [
        LIVE + b"X-Long: " + b"x" * 66_000,
        LIVE + b"X-Many: x\r\n" * 6_000,
        b"GET /" + b"x" * 70_000,
        LIVE + b"X-Long: " + b"x" * 66_000 + b"\r\n\r\n",
    ],
    ids=["one line", "many lines", "path", "complete"],
)
def test_a_head_over_64_kilobytes_is_answered_431_and_the_connection_closed(
    service: Service, head: bytes
) -> None:
    with connect(service) as client:
        client.sendall(head)
        answer = read_all(client)
    assert status(answer) == 431
    assert b"connection: close" in answer
    assert b"application/problem+json" in answer


def test_a_head_of_60_kilobytes_is_taken(service: Service) -> None:
    with connect(service) as client:
        client.sendall(LIVE + b"X-Long: " + b"x" * 60_000 + b"\r\n\r\n")
        assert status(client.recv(65_536)) == 200


@pytest.mark.parametrize(
    "begun",
    [
        LIVE,
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: ",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;",
    ],
    ids=["head", "trailers", "one trailer", "chunk extension"],
)
def test_sixty_megabytes_of_lines_cost_no_memory(service: Service, begun: bytes) -> None:
    before = service.resident_megabytes
    megabyte = b"x" * 2**20 if begun[-1:] != b"\n" else (b"X-Line: " + b"x" * 54 + b"\r\n") * 2**14
    with connect(service) as client:
        client.sendall(begun)
        with contextlib.suppress(ConnectionError):
            for _ in range(60):
                client.sendall(megabyte)
    assert service.resident_megabytes - before < 20


def test_requests_sent_ahead_are_answered_in_order_and_cost_no_memory(service: Service) -> None:
    before = service.resident_megabytes
    many = 20_000
    with connect(service) as client:
        client.settimeout(0.2)
        rest = memoryview((LIVE + b"\r\n") * many)
        with contextlib.suppress(TimeoutError):
            while rest:
                rest = rest[client.send(rest) :]
        assert service.resident_megabytes - before < 20
        assert service.client.get("/health/live").status_code == 200
    with connect(service) as client:
        client.sendall((LIVE + b"\r\n") * 500 + LIVE + b"Connection: close\r\n\r\n")
        assert read_all(client).count(b"HTTP/1.1 200") == 501


def test_what_was_asked_before_garbage_is_answered_and_then_the_garbage(
    service: Service, instances: list[dict[str, Any]]
) -> None:
    body = json.dumps({"instances": instances[:10]}).encode()
    explain = HEAD.replace(b"predict", b"explain")
    with connect(service) as client:
        slow = explain + b"Content-Length: %d\r\n\r\n" % len(body) + body
        client.sendall(slow + LIVE + b"\r\n" + b"\x16\x03\x01\r\n\r\n")
        answers = read_all(client).split(b"HTTP/1.1 ")[1:]
    assert [answer[:3] for answer in answers] == [b"200", b"200", b"400"]


def test_what_is_no_http_is_a_problem_too(service: Service) -> None:
    with connect(service) as client:
        client.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 200)
        answer = read_all(client)
    assert status(answer) == 400
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["title"] == "Bad Request"


@pytest.fixture
def few_files(own_home: Home) -> Iterator[Service]:
    """A service whose process may open 256 files."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, limits[1]))
    try:
        found = RunningService(own_home.path)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    with found:
        yield found


def test_many_idle_connections_lock_out_neither_others_nor_the_storage(
    few_files: Service, own_home: Home, models: Models, instances: list[dict[str, Any]]
) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(300):
            stack.enter_context(connect(few_files, "127.0.0.2"))
        assert few_files.predict(instances[:1]).status_code == 200
        assert few_files.metric("housing_connections_ended_total", reason="too_many_of_peer") >= 200
        assert few_files.metric("housing_connections") < 192
        for number in range(3, 9):
            for _ in range(90):
                stack.enter_context(connect(few_files, f"127.0.0.{number}"))
        assert few_files.predict(instances[:1]).status_code == 200
        own_home.publish(models.second.bundle, "2")
        until(lambda: few_files.version() == "2")


def test_an_idle_connection_is_kept_longer_than_load_balancers_keep_theirs(
    service: Service,
) -> None:
    assert Settings().idle_seconds > 600
    with connect(service) as client:
        client.sendall(LIVE + b"\r\n")
        time.sleep(6)  # uvicorn's own time-out is 5 seconds
        client.sendall(LIVE + b"Connection: close\r\n\r\n")
        assert read_all(client).count(b"HTTP/1.1 200") == 2
