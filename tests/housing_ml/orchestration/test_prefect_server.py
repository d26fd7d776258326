"""A Prefect server that lives as long as a run needs it, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import httpx
import pytest
from prefect.settings import PREFECT_SERVER_DATABASE_CONNECTION_URL, temporary_settings

from housing_ml.orchestration.prefect_server import ServerError, ephemeral_server
from tests.waiting import PATIENCE_SECONDS, until

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = """
import sys
import time
from pathlib import Path
from prefect import flow, task
from prefect.settings import PREFECT_API_URL, temporary_settings
from housing_ml.orchestration.prefect_server import ephemeral_server

@task(persist_result=False)
def work(number):
    return number

@flow(persist_result=False)
def many():
    for number in range(12):
        work(number)

with ephemeral_server() as url, temporary_settings({PREFECT_API_URL: url}):
    print(url, flush=True)
    if sys.argv[1] == "run":
        many()
    else:
        time.sleep(600)
"""


NAMED = "from housing_ml.orchestration import prefect_server as it; print(it.configured_api())"


def test_a_server_of_a_persons_own_profile_does_not_count(tmp_path: Path) -> None:
    url = "http://127.0.0.1:9/api"
    profile = f'active = "mine"\n[profiles.mine]\nPREFECT_API_URL = "{url}"\n'
    (tmp_path / "profiles.toml").write_text(profile)
    surroundings = os.environ | {"PREFECT_HOME": str(tmp_path)}
    surroundings.pop("PREFECT_API_URL", None)
    surroundings.pop("PREFECT_PROFILES_PATH", None)

    def named(**given: str) -> str:
        command = [sys.executable, "-c", NAMED]
        return subprocess.run(
            command,
            env=surroundings | given,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()

    assert named() == "None"
    assert named(PREFECT_API_URL=url) == url
    (tmp_path / ".env").write_text("PREFECT_API_URL=http://127.0.0.1:10/api")
    assert named() == "http://127.0.0.1:10/api"


@pytest.fixture
def database(tmp_path: Path, pytestconfig: pytest.Config, prefect_server: str) -> Path:
    """A migrated database of its own: the session's server has left one."""
    from prefect import __version__  # noqa: PLC0415 - takes seconds

    assert prefect_server
    path = tmp_path / "prefect.db"
    path.write_bytes((pytestconfig.cache.mkdir("prefect") / f"{__version__}.db").read_bytes())
    return path


def start(database: Path, what: str) -> subprocess.Popen[str]:
    """Run the program above in a process of its own."""
    address = f"sqlite+aiosqlite:///{database}"
    surroundings = {key: value for key, value in os.environ.items() if key != "PREFECT_API_URL"}
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, what],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=database.parent,
        env=surroundings | {"PREFECT_SERVER_DATABASE_CONNECTION_URL": address},
    )


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", trust_env=False, timeout=5).is_success
    except httpx.TransportError:
        return False


def test_a_run_s_tasks_are_all_recorded_and_the_server_is_gone_after(database: Path) -> None:
    program = start(database, "run")
    url, errors = program.communicate(timeout=PATIENCE_SECONDS)
    assert program.returncode == 0, errors
    assert not answers(url.strip())
    with closing(sqlite3.connect(database)) as connection:
        tasks = connection.execute("SELECT state_type FROM task_run").fetchall()
        runs = connection.execute("SELECT state_type FROM flow_run").fetchall()
    assert tasks == [("COMPLETED",)] * 12
    assert runs == [("COMPLETED",)]


def test_the_server_ends_with_its_program_though_that_is_killed(database: Path) -> None:
    program = start(database, "wait")
    assert program.stdout is not None
    url = program.stdout.readline().strip()
    assert answers(url)
    program.send_signal(signal.SIGKILL)
    program.communicate(timeout=PATIENCE_SECONDS)
    until(lambda: not answers(url))


def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    nowhere = f"sqlite+aiosqlite:///{tmp_path}/no/such/folder/prefect.db"
    with (
        temporary_settings({PREFECT_SERVER_DATABASE_CONNECTION_URL: nowhere}),
        pytest.raises(ServerError, match=r"did not start(.|\n)*unable to open database file"),
        ephemeral_server(),
    ):
        pass
