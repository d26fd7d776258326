"""Blocks that Prefect itself can load, in a process that has imported nothing of ours."""

from __future__ import annotations

import tomllib
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from housing_ml.storage.blocks import EmulatorCredentials, bucket_block

if TYPE_CHECKING:
    import pytest

PROJECT = Path(__file__).parents[3] / "pyproject.toml"


def test_prefect_is_told_where_the_emulators_block_is() -> None:
    project = tomllib.loads(PROJECT.read_text())["project"]
    (module,) = project["entry-points"]["prefect.collections"].values()

    assert import_module(module).EmulatorCredentials is EmulatorCredentials


def test_an_emulators_bucket_needs_no_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:9")
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)

    client = bucket_block("gs://housing", None).gcp_credentials.get_cloud_storage_client()

    assert client.project == "housing"
    assert client._credentials.token is None
