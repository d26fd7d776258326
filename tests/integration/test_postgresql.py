"""Prefect and MLflow on PostgreSQL: the main job, its cache, the registry and a roll back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import mlflow
import pytest
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_SERVER_DATABASE_CONNECTION_URL,
    temporary_settings,
)
from sqlalchemy import create_engine, text

from flows.release import roll_back
from housing_ml.orchestration.runs import session
from housing_ml.releases.channels import open_releases, read_channels
from housing_ml.settings import Settings
from tests.flows.test_retrain import FEW, STAGES, Run, small

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from tests.postgresql import Postgresql


@pytest.fixture(scope="module")
def databases(
    postgresql_server: Postgresql,
    housing_frame: pd.DataFrame,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, str]]:
    """The URLs of Prefect's and MLflow's databases, while both are in use."""
    urls = {name: postgresql_server.create_database(name) for name in ("prefect", "mlflow")}
    prefect = urls["prefect"].replace("postgresql://", "postgresql+asyncpg://")
    settings = {PREFECT_API_URL: None, PREFECT_SERVER_DATABASE_CONNECTION_URL: prefect}
    home = tmp_path_factory.mktemp("home")
    sample = home / "sample.csv"
    housing_frame.sample(1_500, random_state=7).to_csv(sample, index=False)
    with temporary_settings(settings), session(verbose=True), pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREFECT_API_URL", PREFECT_API_URL.value())
        patch.setenv("HOUSING_HOME", str(home))
        patch.setenv("HOUSING_DATA_URL", str(sample))
        patch.setenv("HOUSING_MLFLOW_TRACKING_URI", urls["mlflow"])
        patch.setenv("WANDB_MODE", "disabled")
        patch.chdir(home)
        yield urls


def rows(url: str, query: str) -> list[tuple[object, ...]]:
    engine = create_engine(url)
    with engine.connect() as connection:
        found = [tuple(row) for row in connection.execute(text(query))]
    engine.dispose()
    return found


def champion() -> str:
    return read_channels(open_releases(Settings()))[0].channels["champion"].version


def test_retrains_are_cached_registered_and_rolled_back(databases: dict[str, str]) -> None:
    tree = {"candidates": [{"model": "decision_tree"}]}
    first = Run(small(**FEW | {"selection": tree}))
    better = Run(small(**FEW))
    again = Run(small(**FEW))

    assert first.computed == STAGES
    assert better.result.promoted
    assert (again.computed, again.result.bundle) == ([], better.result.bundle)
    assert champion() == "2"

    assert roll_back(why="a test", by="someone") == "1"

    assert champion() == "1"
    client = mlflow.MlflowClient(databases["mlflow"])
    aliases = client.get_registered_model("housing-price").aliases
    assert str(aliases["champion"]) == "1"
    versions = rows(databases["mlflow"], "SELECT version FROM model_versions ORDER BY version")
    assert versions == [(1,), (2,)]
    runs = rows(databases["prefect"], "SELECT name, state_name FROM flow_run")
    assert [state for _, state in runs] == 4 * ["Completed"]
