"""Fixtures of the tests that cross a process: a bucket on loopback."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pytest

from tests.integration.gcs_emulator import Emulator, emulator

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def gcs() -> Iterator[Emulator]:
    """An emulator of Google Cloud Storage that this process's clients talk to."""
    from google.auth.credentials import (  # noqa: PLC0415 - not for tests without a bucket
        CredentialsWithRegionalAccessBoundary,
    )

    with emulator() as running, pytest.MonkeyPatch.context() as patch:
        # Google's library would ask an outside host about every service account.
        outside = "_is_regional_access_boundary_lookup_required"
        patch.setattr(CredentialsWithRegionalAccessBoundary, outside, lambda _: False)
        patch.setenv("STORAGE_EMULATOR_HOST", running.url)
        yield running
    gc.collect()
