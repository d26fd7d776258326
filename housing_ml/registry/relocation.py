"""The embedded registry after its home was moved or copied: its addresses are made the new home's.

MLflow writes absolute addresses. In a moved home they lead nowhere, and in a copy to the original,
into which the copy would write its models.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from housing_ml.settings import Settings

_ADDRESSES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
"""What of MLflow's schema leads to files."""


def settle_in(settings: Settings) -> int:
    """Make the addresses of an older home those of the present one.

    Only what lies in a home's folder of artifacts is touched, which the addresses of this
    platform's experiments name, and only where its files lie here now. Where nothing moved, it is
    one query.

    Returns:
        How many addresses changed.
    """
    path = Path(settings.tracking_uri.removeprefix("sqlite:///"))
    if settings.mlflow_tracking_uri or not path.exists():
        return 0
    try:
        with closing(sqlite3.connect(path)) as database, database:
            older = _roots(database, settings.artifacts_path)
            return sum(_rename(database, old, settings.artifacts_path.as_uri()) for old in older)
    except sqlite3.OperationalError:  # no table yet, or locked: the next command comes by
        return 0


def _roots(database: sqlite3.Connection, present: Path) -> list[str]:
    """Return the folders of artifacts, as addresses, that are now the present one."""
    found = database.execute("SELECT DISTINCT artifact_location FROM experiments")
    places = [str(place) for (place,) in found]
    return [
        place
        for place in places
        if place.endswith(f"/{present.name}")
        and place != present.as_uri()
        and _lies_here(database, place, present)
    ]


def _lies_here(database: sqlite3.Connection, old: str, present: Path) -> bool:
    """Whether any run's files are in the present folder; True when there is no run."""
    query = "SELECT artifact_uri FROM runs WHERE substr(artifact_uri, 1, ?) = ?"
    runs = [str(uri) for (uri,) in database.execute(query, (len(old) + 1, f"{old}/"))]
    return not runs or any((present / unquote(uri[len(old) + 1 :])).exists() for uri in runs)


def _rename(database: sqlite3.Connection, old: str, new: str) -> int:
    tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
    changed = 0
    for table, column in _ADDRESSES:
        if table in tables:
            done = database.execute(
                f"UPDATE {table} SET {column} = ? || substr({column}, ?) "  # noqa: S608 - our names
                f"WHERE {column} = ? OR substr({column}, 1, ?) = ?",
                (new, len(old) + 1, old, len(old) + 1, f"{old}/"),
            )
            changed += done.rowcount
    return changed
