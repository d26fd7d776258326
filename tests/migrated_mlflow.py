"""MLflow's empty database is migrated once, and copied where a test's home has none yet.

Fifty migrations take two seconds of each home; what they give depends on MLflow's version alone.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest
    from sqlalchemy import Engine


def copy_database(source: Path, target: Path) -> None:
    """Copy a database of SQLite that may be in use; a reader sees the whole copy or none."""
    part = target.with_suffix(f".{os.getpid()}")
    _fill(part, source)
    part.replace(target)


def _fill(target: Path, source: Path) -> None:
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)


def migrate_once(cache: pytest.Cache) -> None:
    """Let MLflow's new databases in this process be copies of the first."""
    from mlflow import __version__  # noqa: PLC0415 - takes seconds
    from mlflow.store.db import utils  # noqa: PLC0415 - the same

    migrate, kept = utils._upgrade_db, cache.mkdir("mlflow") / f"{__version__}.db"

    def migrate_or_copy(engine: Engine) -> None:
        file = _unversioned(engine)
        if file and kept.exists():
            _fill(file, kept)
            return
        migrate(engine)
        if file:
            copy_database(file, kept)

    utils._upgrade_db = migrate_or_copy


def _unversioned(engine: Engine) -> Path | None:
    """The file of a database of SQLite that no migration has seen yet."""
    file = engine.url.database
    if engine.dialect.name != "sqlite" or not file or file == ":memory:":
        return None
    with closing(sqlite3.connect(file)) as database:
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
    return None if "alembic_version" in tables else Path(file)
