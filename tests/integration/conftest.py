"""Fixtures of the tests that cross a process: a bucket on loopback, and the whole platform."""

from __future__ import annotations

import gc
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from deployments.parts import Ports
from tests.integration.gcs_emulator import Emulator, emulator
from tests.integration.platform_process import Platform, free_ports, run_platform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pandas as pd

    from tests.postgresql import Postgresql


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


@pytest.fixture
def platform(running_platform: Callable[[], Platform]) -> Platform:
    """The platform on 1,500 real rows and PostgreSQL."""
    return running_platform()


@pytest.fixture(scope="session")
def running_platform(
    tmp_path_factory: pytest.TempPathFactory,
    housing_frame: pd.DataFrame,
    postgresql_server: Postgresql,
) -> Iterator[Callable[[], Platform]]:
    """Gives the one platform of all tests; after one that ended it, it is started again."""
    home = tmp_path_factory.mktemp("platform")
    sample = home / "sample.csv"
    housing_frame.sample(1_500, random_state=7).to_csv(sample, index=False)
    prefect = postgresql_server.create_database("platform_prefect")
    places = {
        "HOUSING_HOME": str(home),
        "HOUSING_DATA_URL": str(sample),
        "HOUSING_MLFLOW_TRACKING_URI": postgresql_server.create_database("platform_mlflow"),
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": prefect.replace("://", "+asyncpg://"),
    }
    ports = dict(zip(Ports._fields, free_ports(len(Ports._fields)), strict=True))
    started: list[Platform] = []
    with ExitStack() as stack:

        def running() -> Platform:
            if not started or started[-1].process.poll() is not None:
                started.append(stack.enter_context(run_platform(home, places, ports)))
            return started[-1]

        yield running
