"""A retrain does not find out after all of its training that MLflow's database is another one's."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from housing_ml.registry.models import RegistryError, registry_client
from housing_ml.registry.schema import check_schema
from housing_ml.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from subprocess import CompletedProcess


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose database the installed MLflow has made."""
    home = tmp_path_factory.mktemp("home")
    with registry_client(Settings(home=home)) as client:
        client.search_registered_models()
    return home


@pytest.fixture
def settings(made: Path, tmp_path: Path) -> Settings:
    """The settings of a copy of that home."""
    return Settings(home=shutil.copytree(made, tmp_path / "home"))


def rewrite(settings: Settings, revision: str) -> None:
    path = Path(settings.tracking_uri.removeprefix("sqlite:///"))
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE alembic_version SET version_num = ?", (revision,))


def test_the_installed_versions_own_database_and_none_are_taken(
    settings: Settings, tmp_path: Path
) -> None:
    check_schema(settings)
    check_schema(Settings(home=tmp_path / "none"))


@pytest.mark.parametrize(
    ("revision", "told"),
    [("0584bdc529eb", "mlflow db upgrade sqlite:///"), ("f00f00f00f00", "newer MLflow")],
)
def test_another_versions_database_is_told_with_what_to_do(
    settings: Settings, revision: str, told: str
) -> None:
    rewrite(settings, revision)
    with pytest.raises(RegistryError, match=told):
        check_schema(settings)


@pytest.mark.usefixtures("prefect_server")
def test_a_retrain_on_an_older_database_ends_at_once_with_the_command(
    settings: Settings,
    typed: Callable[..., CompletedProcess[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rewrite(settings, "0584bdc529eb")
    monkeypatch.setenv("HOUSING_HOME", str(settings.home))
    monkeypatch.chdir(settings.home)
    done = typed("retrain")
    assert done.returncode == 1
    told = " ".join(done.stderr.split())
    assert f"mlflow db upgrade {settings.tracking_uri}" in told
    assert "nothing was trained yet" in told
    assert not [*settings.storage_path.rglob("*.*")]
