"""A service that stops answers all that it accepted, and refuses the rest."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest

from tests.waiting import PATIENCE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.serve.conftest import Service

CLIENTS = 16
STOPS = int(os.environ.get("HOUSING_STOPS", "1"))
LIVE = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"


def ask_until_refused(port: int, body: bytes, asking: Event, *, reconnect: bool) -> Counter[str]:
    """What became of the requests of one client that goes on until it is refused."""
    found: Counter[str] = Counter()
    headers = {"Content-Type": "application/json"} | ({"Connection": "close"} if reconnect else {})
    while True:
        client = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
        try:
            client.connect()
        except ConnectionRefusedError:
            found["refused"] += 1
            return found
        told = False
        while not told:
            try:
                client.request("POST", "/api/v1/predict", body, headers)
                answer = client.getresponse()
                answer.read()
            except (OSError, HTTPException) as error:
                found[f"lost: {error!r}"] += 1
                break
            found[str(answer.status)] += 1
            told = answer.getheader("connection") == "close"
            asking.set()
        client.close()


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("whom", ["parent", "all"])
def test_a_stop_under_load_loses_no_request_and_resets_no_connection(
    start: Callable[..., Service], instances: list[dict[str, Any]], workers: int, whom: str
) -> None:
    if workers == 1 and whom == "all":
        pytest.skip("there is one process only")
    body = json.dumps({"instances": instances[:1]}).encode()
    for _ in range(STOPS):
        service = start(workers=workers)
        asking = [Event() for _ in range(CLIENTS)]
        with ThreadPoolExecutor(CLIENTS) as pool:
            clients = [
                pool.submit(ask_until_refused, service.port, body, asked, reconnect=number % 2 == 0)
                for number, asked in enumerate(asking)
            ]
            for asked in asking:
                assert asked.wait(PATIENCE_SECONDS)
            if whom == "all":
                for child in children(service.process.pid):
                    os.kill(child, signal.SIGTERM)
            service.stop()
            total = sum((client.result() for client in clients), Counter[str]())
        assert total.keys() == {"200", "refused"}
        assert total["refused"] == CLIENTS


def children(pid: int) -> list[int]:
    """The processes that a process started: the workers, and what hands them their resources."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.parametrize("workers", [1, 2])
def test_connections_that_wait_to_be_accepted_are_answered(
    start: Callable[..., Service], workers: int
) -> None:
    service = start(workers=workers)
    service.client.close()
    processes = [service.process.pid, *children(service.process.pid)]
    for pid in processes:
        os.kill(pid, signal.SIGSTOP)
    clients = [socket.create_connection(("127.0.0.1", service.port)) for _ in range(50)]
    for client in clients:
        client.sendall(LIVE)
    os.kill(service.process.pid, signal.SIGTERM)
    for pid in processes:
        os.kill(pid, signal.SIGCONT)
    answers = []
    for client in clients:
        with client, client.makefile("rb") as received:
            answers.append(received.read())
    assert all(answer.startswith(b"HTTP/1.1 200") for answer in answers)
    service.stop()


def test_requests_sent_ahead_are_all_answered_and_the_last_answer_says_close(
    start: Callable[..., Service], instances: list[dict[str, Any]]
) -> None:
    service = start()
    body = json.dumps({"instances": instances[:10]}).encode()
    head = b"POST /api/v1/explain HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    slow = head + b"Content-Length: %d\r\n\r\n" % len(body) + body
    with socket.create_connection(("127.0.0.1", service.port)) as client:
        client.sendall(LIVE + slow * 5 + LIVE * 8)
        answered = client.recv(65_536)
        service.process.send_signal(signal.SIGTERM)
        answered += client.makefile("rb").read()
    service.stop()
    assert answered.count(b"HTTP/1.1 200") == 14
    assert answered.count(b"connection: close") == 1


def test_an_idle_connection_may_ask_once_more_and_is_told(start: Callable[..., Service]) -> None:
    service = start()
    with socket.create_connection(("127.0.0.1", service.port)) as client:
        client.sendall(LIVE)
        assert b"connection: close" not in client.recv(65_536)
        service.process.send_signal(signal.SIGTERM)
        time.sleep(0.4)
        client.sendall(LIVE)
        assert b"connection: close" in client.makefile("rb").read()
    service.stop()
