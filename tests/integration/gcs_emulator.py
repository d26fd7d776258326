"""Google Cloud Storage on loopback: gcp-storage-emulator, made fit for tests.

It adds what the package lacks: threads, HTTP/1.1, generation preconditions, the generation of a
download, tokens that are checked, a token endpoint for service accounts, and faults on request.
"""

from __future__ import annotations

import io
import json
import logging
import re
import socket
import struct
import threading
import time
from collections import Counter
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import ThreadingHTTPServer
from typing import IO, TYPE_CHECKING, Any, Literal, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from gcp_storage_emulator.handlers.buckets import create_bucket
from gcp_storage_emulator.server import RequestHandler, Router, _read_raw_data
from gcp_storage_emulator.storage import Storage

if TYPE_CHECKING:
    from collections.abc import Iterator

BUCKET = "housing"
_TOKENS = {"/token", "/computeMetadata/v1/instance/service-accounts/default/token"}
Kind = Literal["away", "reset", "truncated", "slow", "unauthorized", "answer lost"]


class Fault(NamedTuple):
    """What goes wrong with requests whose line, such as `GET /storage/...`, matches a pattern."""

    kind: Kind
    pattern: str


class Emulator:
    """The server's state: objects, valid tokens, faults that are due, and what was asked.

    `shown` has each request's path with the credentials that came with it.
    """

    def __init__(self) -> None:
        self.storage = _Storage(use_memory_fs=True)
        self.lock = threading.Lock()
        self.faults: list[Fault] = []
        self.requests: list[str] = []
        self.shown: list[tuple[str, str]] = []
        self.tokens = 0
        self.exchanged: list[str] = []
        self.url = ""
        create_bucket(BUCKET, self.storage)
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._key = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode()

    @property
    def service_account(self) -> dict[str, str]:
        """A service account's document that this server takes."""
        return {
            "type": "service_account",
            "project_id": "housing",
            "private_key_id": "1",
            "private_key": self._key,
            "client_email": "tests@housing.example",
            "client_id": "1",
            "token_uri": f"{self.url}/token",
        }

    def fail(self, kind: Kind, pattern: str = "", times: int = 1) -> None:
        """Let the next requests that match the pattern go wrong."""
        self.faults += [Fault(kind, pattern)] * times

    def fault(self, request: str) -> Kind | None:
        """Return what goes wrong with this request, and count it as done."""
        with self.lock:
            self.requests.append(request)
            due = [fault for fault in self.faults if re.search(fault.pattern, request)]
            if due:
                self.faults.remove(due[0])
            return due[0].kind if due else None

    def asked(self) -> Counter[str]:
        """How often each kind of request has come: read, write, look, list."""
        kinds = {
            "read": r"^GET .*(alt=media|/download/)",
            "write": r"^(POST|PUT) .*/upload/",
            "list": r"^GET .*/o\?",
            "look": r"^GET .*/o/",
        }
        named = (
            next((kind for kind, pattern in kinds.items() if re.search(pattern, request)), "other")
            for request in self.requests
        )
        return Counter(named)

    def objects(self) -> list[str]:
        """Return the names of all objects."""
        return sorted(self.storage.objects.get(BUCKET, {}))


class _PreconditionError(Exception):
    pass


class _Storage(Storage):  # type: ignore[misc]  # the package has no types
    """Objects that are written only over the generation that the request names."""

    expected: int | None = None

    def generation(self, bucket: str, name: str) -> int:
        """Return an object's generation; 0 when there is none."""
        found: dict[str, Any] = self.objects.get(bucket, {}).get(name, {})
        return int(found.get("generation", 0))

    def create_file(self, bucket_name: str, file_name: str, *content: Any) -> None:
        if self.expected not in {None, self.generation(bucket_name, file_name)}:
            raise _PreconditionError
        super().create_file(bucket_name, file_name, *content)


class _Handler(RequestHandler):  # type: ignore[misc]  # the package has no types
    protocol_version = "HTTP/1.1"
    wfile: IO[bytes]
    disable_nagle_algorithm = True

    def __init__(self, emulator: Emulator, *args: Any) -> None:
        self.emulator = emulator
        super().__init__(emulator.storage, *args)

    def _handle(self) -> None:
        if self.path in _TOKENS:
            self._give_token()
            return
        if self.path.endswith(":generateAccessToken"):
            self._impersonate()
            return
        self.emulator.shown.append((self.path, self.headers.get("Authorization", "")))
        kind = self.emulator.fault(f"{self.command} {self.path}")
        if kind == "reset":
            self._reset()
        elif kind == "away":
            self._refuse(503)
        elif kind == "unauthorized" or not self._is_authorized():
            self._refuse(401)
        else:
            self._answer(kind)

    do_GET = do_POST = do_PUT = do_DELETE = _handle  # noqa: N815 - the names of the base

    def _answer(self, kind: Kind | None) -> None:
        connection, buffer = self.wfile, io.BytesIO()
        self.wfile = buffer
        try:
            with self.emulator.lock:
                self._work()
        finally:
            self.wfile = connection
        answer = buffer.getvalue()
        if kind == "answer lost":
            self._reset()
        elif kind == "truncated":
            start = answer.index(b"\r\n\r\n") + 4
            self.wfile.write(answer[: (start + len(answer)) // 2])
            self.close_connection = True
        elif kind == "slow":
            for part in range(0, len(answer), len(answer) // 10 + 1):
                time.sleep(0.1)
                self.wfile.write(answer[part : part + len(answer) // 10 + 1])
        else:
            self.wfile.write(answer)

    def _work(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        named = query.get("ifGenerationMatch")
        self.storage.expected = int(named[0]) if named else None
        try:
            Router(self).handle(self.command)
        except _PreconditionError:
            self._send(412, b"{}")

    def end_headers(self) -> None:
        """Say which generation a download is of."""
        match = re.search(r"/b/([^/]+)/o/([^?]+)", self.path)
        if self.command == "GET" and match:
            generation = self.storage.generation(match[1], unquote(match[2]))
            self.send_header("X-Goog-Generation", str(generation))
        super().end_headers()

    def _is_authorized(self) -> bool:
        match = re.fullmatch(r"Bearer token-(\d+)", self.headers.get("Authorization", ""))
        return match is not None and int(match[1]) <= self.emulator.tokens

    def _give_token(self) -> None:
        """Answer as Google does a service account, a person, a machine or an exchange of tokens."""
        self.emulator.exchanged.append(bytes(_read_raw_data(self) or b"").decode())
        self.emulator.tokens += 1
        token = {
            "access_token": f"token-{self.emulator.tokens}",
            "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
            "token_type": "Bearer",
            "expires_in": 3600,
        }
        self._send(200, json.dumps(token).encode())

    def _impersonate(self) -> None:
        """Answer as IAM does whoever may act as a service account."""
        _read_raw_data(self)
        if not self._is_authorized():
            self._send(403, b"{}")
            return
        self.emulator.tokens += 1
        until = datetime.now(UTC) + timedelta(hours=1)
        token = {
            "accessToken": f"token-{self.emulator.tokens}",
            "expireTime": f"{until:%Y-%m-%dT%H:%M:%SZ}",
        }
        self._send(200, json.dumps(token).encode())

    def _refuse(self, status: int) -> None:
        _read_raw_data(self)
        self._send(status, json.dumps({"error": {"code": status, "message": "no"}}).encode())

    def _send(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _reset(self) -> None:
        """Close the connection as a crash does, without a goodbye."""
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.close_connection = True
        self.connection.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A client that went away is no news."""


@contextmanager
def emulator() -> Iterator[Emulator]:
    """Run a server with one empty bucket, as long as this."""
    state = Emulator()
    logging.getLogger("gcp_storage_emulator").setLevel(logging.CRITICAL)
    with _Server(("127.0.0.1", 0), partial(_Handler, state)) as server:
        state.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()
