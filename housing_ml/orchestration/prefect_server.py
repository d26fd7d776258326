"""A Prefect server for as long as a run needs one: none to start before, none left behind.

This is Prefect's ephemeral mode on Prefect's own database, made quicker and quieter: Prefect would
import the whole server into the client as well and register every known type of block, which is
nearly half of the time; and it would stop the server before the last tasks' states are recorded.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from typing import IO, TYPE_CHECKING, Any

import httpx

from housing_ml.errors import HousingError

if TYPE_CHECKING:
    from collections.abc import Iterator

STARTUP_SECONDS = 120.0
_SETTLING_SECONDS = 10.0
_STOPPING_SECONDS = 10.0
_ENDED = ["COMPLETED", "FAILED", "CRASHED", "CANCELLED"]
_REFUSALS = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
_ENVIRONMENT = {
    "PREFECT__SERVER_EPHEMERAL": "1",
    "PREFECT__SERVER_FINAL": "1",
    "PREFECT_API_BLOCKS_REGISTER_ON_START": "0",
    "PREFECT_MEMOIZE_BLOCK_AUTO_REGISTRATION": "0",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "0",
}


class ServerError(HousingError, RuntimeError):
    """A Prefect server that does not start; the message has its last words."""


def configured_api() -> str | None:
    """Return the API of the server that the environment, or a file of this folder, names.

    A person's profile is for their other projects: a server of it does not count.
    """
    from prefect.context import get_settings_context  # noqa: PLC0415 - takes seconds
    from prefect.settings import PREFECT_API_URL  # noqa: PLC0415 - the same

    url = PREFECT_API_URL.value()
    of_profile = get_settings_context().profile.settings.get(PREFECT_API_URL)
    return None if url == of_profile and not os.environ.get("PREFECT_API_URL") else url


@contextmanager
def ephemeral_server() -> Iterator[str]:
    """Start a server with the current Prefect settings, yield its API's URL, and stop it.

    The server ends with this process, however that ends.

    Raises:
        ServerError: when it does not answer.
    """
    from prefect.settings import get_current_settings  # noqa: PLC0415 - the server has its own

    get_current_settings().home.mkdir(parents=True, exist_ok=True)
    settings = get_current_settings().to_environment_variables(exclude_unset=True)
    with tempfile.TemporaryFile("w+") as log, socket.create_server(("127.0.0.1", 0)) as listener:
        api = f"http://127.0.0.1:{listener.getsockname()[1]}/api"
        process = subprocess.Popen(  # noqa: S603 - this module
            [sys.executable, "-m", __name__, str(listener.fileno())],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=[listener.fileno()],
            env={**os.environ, **settings, **_ENVIRONMENT},
            start_new_session=True,  # Ctrl-C is for the run, which tells the server of it
        )
        listener.close()
        with process:
            try:
                _wait_until_ready(api, log)
                started = datetime.now(UTC)
                try:
                    yield api
                finally:  # a failed run's logs, sent to a stopped server, would hold up its end
                    _wait_until_recorded(api, started)
            finally:
                _stop(process)


def require_access() -> None:
    """See that the configured server lets us in: without that, each request would fail by itself.

    Raises:
        ServerError: when it asks for a password that is not given, or another one.
    """
    from prefect.client.orchestration import get_client  # noqa: PLC0415 - the server has its own
    from prefect.exceptions import PrefectHTTPStatusError  # noqa: PLC0415 - the same

    with get_client(sync_client=True) as client:
        try:
            client.request("GET", "/admin/version")
        except PrefectHTTPStatusError as error:
            if error.response.status_code not in _REFUSALS:
                raise
            raise ServerError(
                f"Prefect at {client.api_url} answers {error.response.status_code}: set "
                "PREFECT_API_AUTH_STRING as the server's PREFECT_SERVER_API_AUTH_STRING, or "
                "PREFECT_API_KEY for Prefect Cloud"
            ) from error


def _wait_until_ready(api: str, log: IO[str]) -> None:
    """Wait for an answer: the socket listens already, and is closed when the server dies."""
    try:
        with httpx.Client(trust_env=False, timeout=STARTUP_SECONDS) as client:
            client.get(f"{api}/health").raise_for_status()
    except httpx.HTTPError as error:
        log.seek(0)
        words = log.read().strip()[-2000:]
        raise ServerError(f"Prefect's server did not start ({error}):\n{words}") from error


def _wait_until_recorded(api: str, started: datetime) -> None:
    """Wait until the states of all tasks have arrived in the database, which happens afterwards."""
    from prefect.events.worker import EventsWorker  # noqa: PLC0415 - the server does not send
    from prefect.logging.handlers import APILogWorker  # noqa: PLC0415 - the same

    EventsWorker.drain_all(timeout=_SETTLING_SECONDS)
    APILogWorker.drain_all(timeout=_SETTLING_SECONDS)
    ended_runs = {
        "start_time": {"after_": started.isoformat()},
        "state": {"type": {"any_": _ENDED}},
    }
    states: list[str] = []
    give_up = time.monotonic() + _SETTLING_SECONDS
    with httpx.Client(trust_env=False, timeout=_SETTLING_SECONDS) as client:
        while time.monotonic() < give_up:
            answer = client.post(f"{api}/task_runs/filter", json={"flow_runs": ended_runs})
            before, states = states, [run["state_type"] for run in answer.raise_for_status().json()]
            if len(states) == len(before) and set(states) <= set(_ENDED):
                return
            time.sleep(0.2)


def _stop(process: subprocess.Popen[Any]) -> None:
    if process.stdin:
        process.stdin.close()
    try:
        process.wait(_STOPPING_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()


def _serve(listener: socket.socket) -> None:
    """Run the server on a listening socket until standard input ends, as the parent does."""
    import uvicorn  # noqa: PLC0415 - the client does not need it

    def stop_with_parent() -> None:
        os.read(sys.stdin.fileno(), 1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=stop_with_parent, daemon=True).start()
    config = uvicorn.Config(
        "prefect.server.api.server:create_app",
        factory=True,
        lifespan="on",
        log_level="error",
        timeout_graceful_shutdown=5,
    )
    uvicorn.Server(config).run([listener])


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
