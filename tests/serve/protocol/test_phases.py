"""What a connection's answers are made of, as the transport is given them."""

from __future__ import annotations

from typing import Any

import pytest

from serve.protocol.phases import Answering


class Transport:
    """What was sent, call by call."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.sent.append(data)

    def writelines(self, parts: list[bytes]) -> None:
        self.sent.append(b"".join(parts))

    def is_closing(self) -> bool:
        return False


@pytest.fixture
def sent() -> list[bytes]:
    return []


@pytest.fixture
def answering(sent: list[bytes]) -> Answering:
    transport: Any = Transport()
    transport.sent = sent
    return Answering(transport, lambda: sent.append(b"end"))


def test_a_head_leaves_with_its_body_in_one_piece(answering: Answering, sent: list[bytes]) -> None:
    for _ in range(2):
        answering.write(b"head ")
        assert not sent
        answering.write(b"body")
        answering.write(b"more")
        answering.complete()
        assert sent == [b"head body", b"more"]
        sent.clear()


def test_a_head_without_a_body_leaves_when_the_answer_is_complete(
    answering: Answering, sent: list[bytes]
) -> None:
    answering.write(b"head")
    answering.complete()
    assert sent == [b"head"]


def test_a_client_that_waits_to_send_its_body_is_told_at_once(
    answering: Answering, sent: list[bytes]
) -> None:
    answering.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    answering.write(b"head ")
    answering.write(b"body")
    assert sent == [b"HTTP/1.1 100 Continue\r\n\r\n", b"head body"]


def test_an_answer_that_breaks_off_is_sent_as_far_as_it_came(
    answering: Answering, sent: list[bytes]
) -> None:
    answering.write(b"head")
    answering.close()
    assert sent == [b"head", b"end"]
