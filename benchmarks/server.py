"""A server in a process of its own, for benchmarks and for tests over real sockets.

It is started, waited for, measured and stopped:

    places = {"HOUSING_HOME": "...", "HOUSING_SERVE_PORT": "{port}"}
    with Server([sys.executable, "-m", "serve"], places) as server:
        httpx.get(server.url + "/health/ready")

What it writes is kept in `output`.
"""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

_START_SECONDS = _STOP_SECONDS = 300.0
_MOST_OUTPUT = 10_000_000


class Server:
    """Starts `command` and waits until `ready` answers 200; what it writes is kept in `output`.

    Args:
        command: what to run; `{port}` in it and in `environment` becomes the port.
        environment: variables added to those of this process.
        folder: the working directory.
        ready: path that is asked; an empty one does not wait.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        folder: Path | None = None,
        ready: str = "/health/ready",
    ) -> None:
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._written = ""
        self._output = TemporaryFile()  # noqa: SIM115 - closed by `stop`
        started = time.perf_counter()
        self.process = subprocess.Popen(  # noqa: S603 - the caller's own command
            [part.replace("{port}", str(self.port)) for part in command],
            env=os.environ
            | {name: text.replace("{port}", str(self.port)) for name, text in environment.items()},
            cwd=folder,
            stdout=self._output,
            stderr=subprocess.STDOUT,
        )
        if ready:
            self._wait(ready)
        self.seconds_to_ready = time.perf_counter() - started

    def __enter__(self) -> Self:
        """Return the running server."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def output(self) -> str:
        """What the process has written so far."""
        if not self._output.closed:
            return os.pread(self._output.fileno(), _MOST_OUTPUT, 0).decode()
        return self._written

    @property
    def resident_megabytes(self) -> float:
        """Memory that the process holds now."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    @property
    def cpu_seconds(self) -> float:
        """CPU time that the process has used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Send the signal and wait for the end."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        self.process.wait(_STOP_SECONDS)
        self._written = self.output
        self._output.close()

    def _wait(self, path: str) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not _answers(self.port, path):
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop(signal.SIGKILL)
                raise RuntimeError(f"the server did not start: {self.output[:2000]}")
            time.sleep(0.02)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _answers(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.client.OK
    except OSError:
        return False
    finally:
        connection.close()
