"""What is deleted of MLflow on a real database, and what a version keeps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from housing_ml.config.retention import RetentionConfig
from housing_ml.registry.models import registry_client
from housing_ml.retention.mlflow_runs import old_runs, old_versions
from housing_ml.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from mlflow import MlflowClient

CONFIG = RetentionConfig(model_name="price")
LATER = datetime.now(UTC) + timedelta(days=100)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A home folder with two versions, each of a run with a nested one, and one run of none."""
    found = Settings(home=tmp_path)
    with registry_client(found) as client:
        experiment = client.create_experiment("price", (tmp_path / "mlflow-artifacts").as_uri())
        client.create_registered_model("price")
        for version in ("kept", "gone"):
            run = run_of(client, experiment)
            run_of(client, experiment, parent=run)
            client.create_model_version(
                "price", f"runs:/{run}/bundle", run, tags={"bundle_digest": version}
            )
        run_of(client, experiment, name="nobody's")
    return found


def run_of(
    client: MlflowClient, experiment: str, *, parent: str | None = None, name: str = "a version's"
) -> str:
    tags = {"mlflow.parentRunId": parent} if parent else {}
    run = str(client.create_run(experiment, tags=tags, run_name=name).info.run_id)
    client.log_text(run, "trees", "bundle/model.onnx")
    client.log_text(run, "words", "description.md")
    client.set_terminated(run)
    return run


def files(settings: Settings) -> list[str]:
    artifacts = settings.home / "mlflow-artifacts"
    return sorted(str(path.relative_to(artifacts)) for path in artifacts.rglob("*.*"))


def test_only_the_run_that_no_version_is_of_goes_with_its_files(settings: Settings) -> None:
    assert old_runs(settings, ["price"], datetime.now(UTC), CONFIG).names == []
    found = old_runs(settings, ["price", "monitoring"], LATER, CONFIG)
    assert len(found.names) == 1

    found.delete(found.names)

    assert old_runs(settings, ["price"], LATER, CONFIG).names == []
    assert len(files(settings)) == 8
    assert [name for name in files(settings) if found.names[0] in name] == []


def test_a_version_whose_bundle_is_gone_keeps_its_record_and_loses_its_files_once(
    settings: Settings,
) -> None:
    found = old_versions(settings, {"kept"}, LATER, CONFIG)
    assert list(found.names) == ["price 2"]

    found.delete(found.names)

    assert len([name for name in files(settings) if name.endswith("model.onnx")]) == 4
    assert list(old_versions(settings, {"kept"}, LATER, CONFIG).names) == []
    with registry_client(settings) as client:
        version = client.get_model_version("price", "2")
        assert "housing retention" in version.tags["files"]
        assert client.get_run(str(version.run_id)).data.tags
