"""Whether MLflow's embedded database is of the version of MLflow that is installed.

MLflow finds out when it is first written to, which in a retrain is after all of the training.
"""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from housing_ml.registry.models import RegistryError

if TYPE_CHECKING:
    from housing_ml.settings import Settings

_REVISION = re.compile(r"""^(down_)?revision\s*=\s*["'](\w+)["']""", re.MULTILINE)
_MIGRATIONS = Path("store", "db_migrations", "versions")


def check_schema(settings: Settings) -> None:
    """Read the database's revision; a server looks after its own, and none at all is made anew.

    Raises:
        RegistryError: when another version of MLflow wrote it; the message names the command.
    """
    uri = settings.tracking_uri
    path = Path(uri.removeprefix("sqlite:///"))
    if not uri.startswith("sqlite:///") or not path.exists():
        return
    found, (newest, older) = _revision(path), _revisions()
    if found is None or found in newest:
        return
    if found in older:
        raise RegistryError(
            f"{path} was written by an older MLflow: keep a copy of it, then type "
            f"`mlflow db upgrade {uri}`; nothing was trained yet"
        )
    raise RegistryError(
        f"{path} was written by a newer MLflow than the one installed: install that one, or put "
        "back the copy of the database from before its upgrade; nothing was trained yet"
    )


def _revision(path: Path) -> str | None:
    """Return the revision that the database says it has; None when it has none yet."""
    with closing(sqlite3.connect(path)) as database:
        try:
            row = database.execute("SELECT version_num FROM alembic_version").fetchone()
        except sqlite3.OperationalError:
            return None
    return str(row[0]) if row else None


def _revisions() -> tuple[set[str], set[str]]:
    """Return the newest revision of the installed MLflow, and those before it.

    They are read from its files: importing MLflow takes seconds.
    """
    spec = find_spec("mlflow")
    folders = spec.submodule_search_locations if spec else None
    known: set[str] = set()
    before: set[str] = set()
    for folder in folders or ():
        for file in Path(folder, _MIGRATIONS).glob("*.py"):
            for down, name in _REVISION.findall(file.read_text(encoding="utf-8")):
                (before if down else known).add(name)
    return known - before, before
