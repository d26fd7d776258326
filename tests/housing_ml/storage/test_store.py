from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from housing_ml.settings import Settings
from housing_ml.storage.errors import StorageError
from housing_ml.storage.store import open_store

if TYPE_CHECKING:
    from pathlib import Path

    from housing_ml.storage.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(Settings(home=tmp_path))


@given(content=st.binary(max_size=200))
def test_what_is_stored_comes_back(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    store = open_store(Settings(home=tmp_path_factory.mktemp("home")))

    ref = store.put_bytes(content, ".bin")

    assert store.get_bytes(ref) == content
    assert store.put_bytes(content, ".bin") == ref


def test_a_table_comes_back_and_gives_the_same_bytes_again(
    store: Store, housing_frame: pd.DataFrame
) -> None:
    ref = store.put_frame(housing_frame)

    pd.testing.assert_frame_equal(store.get_frame(ref), housing_frame)
    assert store.put_frame(housing_frame.copy()) == ref
    assert (ref.rows, ref.columns) == (len(housing_frame), tuple(housing_frame.columns))


def test_a_damaged_object_is_an_error_and_is_mended_by_storing_it_again(
    store: Store, tmp_path: Path
) -> None:
    ref = store.put_bytes(b"content", ".bin")
    (tmp_path / "storage" / ref.key).write_bytes(b"c0ntent")

    assert not store.holds(ref)
    with pytest.raises(StorageError, match="damaged"):
        store.get_bytes(ref)

    store.put_bytes(b"content", ".bin")
    assert store.get_bytes(ref) == b"content"


def test_a_missing_object_is_an_error_that_names_it(store: Store, tmp_path: Path) -> None:
    ref = store.put_bytes(b"content", ".bin")
    (tmp_path / "storage" / ref.key).unlink()

    assert not store.holds(ref)
    with pytest.raises(StorageError, match=ref.sha256):
        store.get_bytes(ref)


def test_nothing_but_the_object_is_left_behind(store: Store, tmp_path: Path) -> None:
    ref = store.put_bytes(b"content", ".bin")

    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert files == [tmp_path / "storage" / ref.key]
