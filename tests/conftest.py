"""Fixtures shared by all tests: the real data, a Prefect server, a PostgreSQL, a browser."""

from __future__ import annotations

import gc
import os
import shutil
import sys
import tarfile
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from subprocess import CompletedProcess
from typing import TYPE_CHECKING
from uuid import uuid4

# Several processes share few cores: more threads would wait for each other, and burn time at it.
# Libraries, and what the tests start, read it when they are loaded.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("LOKY_MAX_CPU_COUNT", "1")  # xdist has a process for each processor already

import certifi
import httpx
import hypothesis
import pandas as pd
import pytest

from housing_ml.settings import at_home
from housing_ml.storage.atomic import write_atomically
from tests.migrated_mlflow import copy_database, migrate_once
from tests.postgresql import Postgresql, find_binaries, run_postgresql
from tests.waiting import alone

hypothesis.settings.register_profile("patient", deadline=None)  # a busy machine makes any test slow
hypothesis.settings.load_profile("patient")

# All that tests ask is on this machine: the authorities of TLS, which each client would read for
# 40 ms of processor time, are read once.
pytest.MonkeyPatch().setattr(
    "httpx._transports.default.create_ssl_context", cache(httpx.create_ssl_context)
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from playwright.sync_api import Browser

SHARED_ARCHIVE = Path(__file__).parents[2] / "shared" / "data" / "housing.tgz"


KEPT_PRICES = {"releases-0.1.0": 437_207.82, "releases-0.2.0": 414_288.46}
"""What older versions asked for the README's block group, in dollars, by their kept storage."""


def kept_storages() -> list[Path]:
    """The release storages that older versions wrote: in `tests/kept`, and beside the dataset."""
    address = os.environ.get("HOUSING_DATA_URL", "").removeprefix("file://")
    folders = {
        Path(__file__).with_name("kept"),
        SHARED_ARCHIVE.parent,
        Path(address or SHARED_ARCHIVE).parent,
    }
    found = {file.name: file for folder in folders for file in folder.glob("releases-*.t?z")}
    return [found[name] for name in sorted(found)]


LONGEST = ["test_up.py", "test_retrain.py", "test_documented_commands.py", "test_wandb_sweep.py"]
"""Files that take minutes: one that started late would have the last process to itself."""


class _Folders:
    """What tests need of pytest's cache, where that is switched off."""

    def mkdir(self, name: str) -> Path:
        folder = _STATE / "kept" / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder


def pytest_configure(config: pytest.Config) -> None:
    """Let tests share what takes seconds to make, with pytest's cache and without."""
    if not hasattr(config, "cache"):
        config.cache = _Folders()  # type: ignore[assignment]


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for no waste among what is imported, now or later: it stays, and there is much of it."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the longest files, and those that wait for processes, come first: others fill waits."""
    items.sort(key=_place)


def _place(item: pytest.Item) -> tuple[int, bool]:
    place = LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST)
    return place, "integration" not in item.path.parts


def pytest_collection_finish(session: pytest.Session) -> None:
    """Spare MLflow's migrations, where a test has imported it."""
    if "mlflow" in sys.modules:
        migrate_once(session.config.cache)


@pytest.fixture(scope="session")
def housing_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real housing.tgz: a copy of HOUSING_DATA_URL, in any form, or the one beside it all."""
    from housing_ml.data.source import PUBLIC_DATA_SHA256, read_source  # noqa: PLC0415

    address = os.environ.get("HOUSING_DATA_URL") or str(SHARED_ARCHIVE)
    archive = tmp_path_factory.mktemp("data") / "housing.tgz"
    archive.write_bytes(read_source(address, PUBLIC_DATA_SHA256))
    return archive


@pytest.fixture(scope="session")
def housing_frame(housing_archive: Path) -> pd.DataFrame:
    """All 20,640 rows of the real data, in the contract's column order."""
    with tarfile.open(housing_archive) as archive:
        member = archive.extractfile("housing.csv")
        assert member is not None
        frame = pd.read_csv(member)
    from housing_ml.data.contract import COLUMNS, TARGET  # noqa: PLC0415

    return frame[[*COLUMNS, TARGET]]


@pytest.fixture(params=kept_storages(), ids=lambda file: file.stem)
def old_home(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A home folder with the release storage of an older version; a test has one for each."""
    home = tmp_path / "old"
    with tarfile.open(request.param) as archive:
        archive.extractall(home / "storage", filter="data")
    return home


@pytest.fixture
def kept(request: pytest.FixtureRequest) -> str:
    """Name of the storage in `old_home`."""
    (found,) = (name for name in KEPT_PRICES if name in request.node.name)
    return found


@pytest.fixture
def typed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., CompletedProcess[str]]:
    """Type a command of `housing`; it runs in this process, which has imported it all."""
    from housing_ml import cli  # noqa: PLC0415 - not for tests without a command

    def run(*words: str) -> CompletedProcess[str]:
        monkeypatch.setattr(sys, "argv", ["housing", *words])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            cli.main()
        code = end.value.code or 0
        assert isinstance(code, int), code
        return CompletedProcess(words, code, *capsys.readouterr())

    return run


# Prefect: one server for all tests, on a database of its own. No library writes into the home of
# who runs the tests.

os.environ["DO_NOT_TRACK"] = "1"
_STATE = Path(__file__).parents[1] / ".housing" / "tests"
os.environ |= at_home(_STATE, os.environ)
Path(os.environ["PREFECT_HOME"]).mkdir(parents=True, exist_ok=True)


def _one_authority() -> Path:
    """One authority of TLS: all of them take each client of Prefect 50 ms of processor time."""
    found, end, _ = Path(certifi.where()).read_text().partition("-----END CERTIFICATE-----\n")
    path = _STATE / "authority.pem"
    write_atomically(path, (found + end).encode())
    return path


os.environ["PREFECT_API_SSL_CERT_FILE"] = str(_one_authority())


@pytest.fixture(scope="session")
def prefect_server(
    tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[str]:
    """The URL of a Prefect server's API; flows of the tests and of their processes run on it."""
    from prefect import __version__, settings  # noqa: PLC0415 - takes seconds

    from housing_ml.orchestration.runs import session  # noqa: PLC0415 - the same

    database = tmp_path_factory.mktemp("prefect") / "prefect.db"
    migrated = pytestconfig.cache.mkdir("prefect") / f"{__version__}.db"
    places = {
        settings.PREFECT_API_URL: None,
        settings.PREFECT_SERVER_DATABASE_CONNECTION_URL: f"sqlite+aiosqlite:///{database}",
        settings.PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED: False,  # an event starts nothing here
    }
    with ExitStack() as stack:
        stack.enter_context(settings.temporary_settings(places))
        with alone(migrated.with_suffix(".lock")):
            if migrated.exists():
                shutil.copy(migrated, database)
            else:  # its migrations take nine seconds of processor time
                stack.enter_context(session(verbose=True))
                copy_database(database, migrated)
        if not settings.PREFECT_API_URL.value():
            stack.enter_context(session(verbose=True))
        url = settings.PREFECT_API_URL.value()
        stack.enter_context(pytest.MonkeyPatch.context()).setenv("PREFECT_API_URL", url)
        yield url


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[Postgresql]:
    """A PostgreSQL for all tests; each makes databases of its own."""
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    with run_postgresql(binaries) as server:
        yield server


@pytest.fixture
def postgresql(postgresql_server: Postgresql) -> Iterator[str]:
    """The URL of an empty PostgreSQL database, as SQLAlchemy takes it."""
    name = f"test_{uuid4().hex}"
    yield postgresql_server.create_database(name)
    postgresql_server.drop_database(name)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, headless; while it is open, its module's tests can run no event loop."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - not for tests without a page

    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture
def screenshots(tmp_path: Path) -> Path:
    """Where pictures of pages are kept: HOUSING_SCREENSHOTS, or the test's own folder."""
    folder = Path(os.environ.get("HOUSING_SCREENSHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    return folder
