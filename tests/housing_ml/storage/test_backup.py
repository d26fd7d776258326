"""A home comes back from one file as it was, or not at all."""

from __future__ import annotations

import io
import sqlite3
import tarfile
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from housing_ml.storage.backup import back_up, restore
from housing_ml.storage.errors import StorageError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with a release, a link to it, a database, and what is not worth keeping."""
    folder = tmp_path / "home"
    for name in ("storage/releases/bundles/a/model.onnx", "storage/releases/channels.json"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    for name in ("cache", "locks", "wandb"):
        (folder / name).mkdir()
        (folder / name / "file").write_text("x")
    (folder / "wandb" / "latest").symlink_to(folder / "storage")
    with closing(sqlite3.connect(folder / "mlflow.db")) as database, database:
        database.execute("CREATE TABLE runs (name TEXT)")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_all_state_comes_back_byte_for_byte(home: Path, tmp_path: Path) -> None:
    file, copy = tmp_path / "home.tgz", tmp_path / "new" / "place"

    saved = back_up(home, file)

    assert restore(file, copy) == saved
    kept = {name for name in contents(copy) if name != "mlflow.db"}
    assert kept == {"storage/releases/bundles/a/model.onnx", "storage/releases/channels.json"} | {
        "wandb/file"
    }
    assert all(contents(copy)[name] == contents(home)[name] for name in kept)
    assert list(copy.parent.iterdir()) == [copy]


def test_a_database_is_whole_though_a_transaction_is_open(home: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(home / "mlflow.db")) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("INSERT INTO runs VALUES ('told')")
        database.commit()  # it is in the log beside the database, and not yet in its file
        database.execute("INSERT INTO runs VALUES ('open')")
        back_up(home, tmp_path / "home.tgz")
    restore(tmp_path / "home.tgz", tmp_path / "copy")

    with closing(sqlite3.connect(tmp_path / "copy" / "mlflow.db")) as database:
        assert database.execute("SELECT name FROM runs").fetchall() == [("told",)]
    assert not list((tmp_path / "copy").glob("*-wal"))


def test_a_file_within_the_home_does_not_hold_itself(home: Path, tmp_path: Path) -> None:
    first = back_up(home, home / "home.tgz")
    assert back_up(home, home / "home.tgz") == first
    restore(home / "home.tgz", tmp_path / "copy")
    assert not (tmp_path / "copy" / "home.tgz").exists()


def test_a_home_that_is_there_is_not_touched(home: Path, tmp_path: Path) -> None:
    back_up(home, tmp_path / "home.tgz")
    before = contents(home)

    with pytest.raises(StorageError, match="exists: move it away, or set HOUSING_HOME"):
        restore(tmp_path / "home.tgz", home)
    assert contents(home) == before


def archive(path: Path, *names: str, label: bytes = b'{"format": 1}') -> Path:
    with tarfile.open(path, "w:gz") as file:
        for name, content in {"housing-backup.json": label, **dict.fromkeys(names, b"x")}.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            file.addfile(member, io.BytesIO(content))
    return path


def test_what_is_no_whole_back_up_leaves_nothing_behind(home: Path, tmp_path: Path) -> None:
    whole = tmp_path / "home.tgz"
    back_up(home, whole)
    link = tmp_path / "link.tgz"
    with tarfile.open(archive(link), "w:gz") as file:
        member = tarfile.TarInfo("storage")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc"
        file.addfile(member)
    cut = tmp_path / "cut.tgz"
    cut.write_bytes(whole.read_bytes()[:-40])
    text = tmp_path / "text.tgz"
    text.write_text("no archive")
    broken = [
        *(archive(tmp_path / "up.tgz", "../outside"), archive(tmp_path / "root.tgz", "/outside")),
        *(
            archive(tmp_path / "newer.tgz", "a", label=b'{"format": 2}'),
            archive(tmp_path / "e.tgz"),
        ),
        *(
            archive(tmp_path / "list.tgz", "a", label=b"[]"),
            archive(tmp_path / "w.tgz", "a", "a/b"),
        ),
        *(link, cut, text, tmp_path / "absent.tgz"),
    ]
    before = {*tmp_path.iterdir()}

    for file in broken:
        with pytest.raises(StorageError, match="is no whole back-up of a home"):
            restore(file, tmp_path / "copy")
        assert {*tmp_path.iterdir()} == before, file


def test_what_cannot_be_written_or_read_is_one_sentence(home: Path, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be written"):
        back_up(home, tmp_path / "absent" / "home.tgz")
    with pytest.raises(StorageError, match="there is no home folder"):
        back_up(tmp_path / "absent", tmp_path / "home.tgz")
