"""What may go of MLflow: runs of no registered version, and files of versions whose bundle is gone.

A version stays with its run: parameters, metrics, tags, description. Its model and bundle go when
nobody can roll back to it any more.
"""
# ruff: noqa: PLC0415 - MLflow takes seconds to import

from __future__ import annotations

import subprocess
import sys
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from housing_ml.registry.models import RegistryError, registry_client
from housing_ml.retention.found import Found

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mlflow import MlflowClient

    from housing_ml.config.retention import RetentionConfig
    from housing_ml.settings import Settings

_FREED = "files"
_PARENT = "mlflow.parentRunId"
_PAGE = 500


def old_runs(
    settings: Settings, experiments: Sequence[str], now: datetime, config: RetentionConfig
) -> Found:
    """Return the runs of these experiments that ended long ago and that no version is of.

    Raises:
        RegistryError: when MLflow cannot be reached.
    """
    until = _milliseconds(now - timedelta(days=config.run_days))
    with registry_client(settings) as client:
        needed = {item.run_id for item in client.search_model_versions()}
        old = [
            run.info.run_id
            for run in _runs(client, experiments, until)
            if run.info.run_id not in needed and run.data.tags.get(_PARENT) not in needed
        ]

    def delete(names: Sequence[str]) -> None:
        with registry_client(settings) as client:
            for name in names:
                _delete_files(client.get_run(name).info.artifact_uri)
                client.delete_run(name)
        _forget(settings, "--run-ids", names)

    return Found("MLflow's runs", old, None, delete)


def old_versions(
    settings: Settings, kept: set[str], now: datetime, config: RetentionConfig
) -> Found:
    """Return the old versions whose bundle is not among those kept, and that have files still.

    Raises:
        RegistryError: when MLflow cannot be reached.
    """
    until = _milliseconds(now - timedelta(days=config.run_days))
    with registry_client(settings) as client:
        old = {
            f"{item.name} {item.version}": item
            for item in client.search_model_versions(f"name = '{config.model_name}'")
            if item.tags.get("bundle_digest", "") not in {*kept, ""}
            and item.creation_timestamp < until
            and _FREED not in item.tags
        }

    def delete(names: Sequence[str]) -> None:
        models = []
        with registry_client(settings) as client:
            for item in (old[name] for name in names):
                run = client.get_run(str(item.run_id)).info
                _delete_files(f"{run.artifact_uri}/bundle")
                models += _delete_model(client, str(item.source))
                told = f"deleted by housing retention, {now:%Y-%m-%d}"
                client.set_model_version_tag(item.name, item.version, _FREED, told)
        _forget(settings, "--logged-model-ids", models)

    return Found("files of MLflow's versions", tuple(old), None, delete)


def _delete_model(client: MlflowClient, source: str) -> list[str]:
    """Delete the logged model that a version's source names; return its id."""
    scheme, _, model = source.rpartition("/")
    if scheme != "models:":
        return []
    _delete_files(client.get_logged_model(model).artifact_location)
    client.delete_logged_model(model)
    return [model]


def _delete_files(uri: str | None) -> None:
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    if uri:
        folder, _, name = uri.rpartition("/")
        repository = get_artifact_repository(folder)
        if any(item.path == name for item in repository.list_artifacts() or ()):
            repository.delete_artifacts(name)  # type: ignore[no-untyped-call]


def _forget(settings: Settings, option: str, names: Sequence[str]) -> None:
    """Remove what was deleted from the database; a server's own is for `mlflow gc` there."""
    if settings.mlflow_tracking_uri or not names:
        return
    uri = settings.tracking_uri
    command = [sys.executable, "-m", "mlflow", "gc", "--backend-store-uri", uri]
    options = ["--tracking-uri", uri, option, ",".join(names)]
    done = subprocess.run(  # noqa: S603 - MLflow's own command
        [*command, *options], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RegistryError(f"`mlflow gc` on {uri} failed: {done.stderr.strip()[-500:]}")


def _runs(client: MlflowClient, experiments: Sequence[str], until: int) -> Iterator[Any]:
    found = [client.get_experiment_by_name(name) for name in experiments]
    ids = [item.experiment_id for item in found if item]
    token: str | None = ""
    while ids and token is not None:
        page = client.search_runs(
            ids, f"attributes.start_time < {until}", max_results=_PAGE, page_token=token or None
        )
        yield from page
        token = page.token or None


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
