"""A PostgreSQL of the tests' own, from Debian's binaries: on a loopback port, in its own folder."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

STARTUP_SECONDS = 60
_OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "max_connections": "200",
}


class Postgresql(NamedTuple):
    """A running server, whose user `postgres` needs no password."""

    binaries: Path
    port: int

    def create_database(self, name: str) -> str:
        """Create an empty database; return its URL."""
        self._run("createdb", name)
        return f"postgresql://postgres@127.0.0.1:{self.port}/{name}"

    def drop_database(self, name: str) -> None:
        """Remove a database; who is still connected is thrown out."""
        self._run("dropdb", "--force", name)

    def answers(self) -> bool:
        return self._run("pg_isready", "-d", "postgres", check=False) == 0

    def _run(self, program: str, *arguments: str, check: bool = True) -> int:
        where = ["-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres"]
        command = [self.binaries / program, *where, *arguments]
        return subprocess.run(command, capture_output=True, check=check).returncode


def find_binaries() -> Path | None:
    """The folder of the newest version's programs; None where PostgreSQL is not installed."""
    found = Path("/usr/lib/postgresql").glob("*/bin/postgres")
    newest = max(found, key=lambda path: float(path.parts[-3]), default=None)
    on_path = shutil.which("postgres")
    return newest.parent if newest else Path(on_path).parent if on_path else None


@contextmanager
def run_postgresql(binaries: Path) -> Iterator[Postgresql]:
    """Start a server on a new cluster, and remove both."""
    user = _other_user_than_root()
    with tempfile.TemporaryDirectory(prefix="postgresql-") as folder:
        if user:
            shutil.chown(folder, **user)
        data = Path(folder) / "data"
        create: list[Any] = [
            binaries / "initdb",
            "-D",
            data,
            "-U",
            "postgres",
            "-A",
            "trust",
            "--no-sync",
        ]
        subprocess.run([*create, "-E", "UTF8"], capture_output=True, check=True, **user)
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        options = [f"--{name}={value}" for name, value in _OPTIONS.items()]
        command: list[Any] = [binaries / "postgres", "-D", data, "-p", str(port), *options]
        with (Path(folder) / "log").open("wb") as log:
            process: subprocess.Popen[bytes] = subprocess.Popen(
                command, stdout=log, stderr=log, **user
            )
        try:
            server = Postgresql(binaries, port)
            _wait_until_ready(server, process, Path(folder) / "log")
            yield server
        finally:
            process.send_signal(signal.SIGINT)  # throws out who is connected
            process.wait(STARTUP_SECONDS)


def _wait_until_ready(server: Postgresql, process: subprocess.Popen[bytes], log: Path) -> None:
    give_up = time.monotonic() + STARTUP_SECONDS
    while not server.answers():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < give_up, log.read_text()
        time.sleep(0.05)


def _other_user_than_root() -> dict[str, Any]:
    """Who runs the server, as arguments of `subprocess`: PostgreSQL refuses to run as root."""
    if os.geteuid():
        return {}
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    entry = known.get("postgres") or known["nobody"]
    return {"user": entry.pw_uid, "group": entry.pw_gid}
