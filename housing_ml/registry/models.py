"""The MLflow registry: the record of every model, what made it, and which aliases it has.

The tracking store is SQLite in the home folder, or a server by setting. MLflow takes seconds to
import: what a run needs that finds its registration cached goes without.
"""
# ruff: noqa: PLC0415 - see above

from __future__ import annotations

import logging
import os
import sqlite3
import warnings
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from housing_ml.data.contract import COLUMNS
from housing_ml.errors import HousingError
from housing_ml.records.retrain import RegisteredVersion
from housing_ml.registry import access, registration
from housing_ml.registry.relocation import settle_in
from housing_ml.reporting.card import model_card
from housing_ml.reporting.retrain import comparisons, description
from housing_ml.settings import without_password

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pandas as pd
    from mlflow import MlflowClient
    from mlflow.types.schema import Schema as MlflowSchema

    from housing_ml.config.retrain import RetrainConfig
    from housing_ml.records.refs import DatasetRef
    from housing_ml.records.retrain import Stages
    from housing_ml.settings import Settings
    from housing_ml.storage.store import Store

_DIGEST_LENGTH = 36
"""Characters of a dataset's digest that MLflow keeps; the tags have all of it."""

_REQUIREMENTS = ("msgspec", "numpy", "onnxruntime", "pandas", "pykdtree", "safetensors")
"""What the registered model imports besides MLflow; it is tested with all else hidden."""


class RegistryError(HousingError, RuntimeError):
    """A registry that cannot be reached or written; the message says what to do."""


def register(
    stages: Stages, config: RetrainConfig, store: Store, settings: Settings
) -> RegisteredVersion:
    """Register the trained model with everything that led to it; the same content only once.

    Raises:
        RegistryError: when MLflow cannot be reached or does not take it.
    """
    name, bundle = config.registry.model_name, stages.training.bundle
    with registry_client(settings) as client:
        for found in client.search_model_versions(f"name = '{name}'"):
            if found.tags.get("bundle_digest") == bundle.digest:
                return _registered(found, bundle.digest)
        run_id, model_id = _log(client, stages, config, store, settings)
        _create_model(client, name)
        version = client.create_model_version(
            name,
            source=f"models:/{model_id}",
            run_id=run_id,
            model_id=model_id,
            tags=_tags(stages, settings),
            description=description(stages),
        )
        return _registered(version, bundle.digest)


def set_alias(name: str, alias: str, version: str, settings: Settings) -> None:
    """Point an alias of the registered model at a version.

    Raises:
        RegistryError: when MLflow cannot be reached, or has no such version.
    """
    with registry_client(settings) as client:
        client.set_registered_model_alias(name, alias, version)


def align_aliases(
    name: str, aliases: Sequence[str], wanted: Mapping[str, str], settings: Settings
) -> dict[str, str]:
    """Point aliases at the versions of the wanted bundles, and remove those that have none.

    Args:
        name: the registered model.
        aliases: those to set or remove.
        wanted: digest of the bundle by alias.
        settings: where MLflow is.

    Returns:
        The version by alias; an alias whose bundle no version has is removed.

    Raises:
        RegistryError: when MLflow cannot be reached.
    """
    with registry_client(settings) as client:
        found = client.search_model_versions(f"name = '{name}'")
        versions = {item.tags.get("bundle_digest"): str(item.version) for item in found}
        if not versions:
            return {}
        aliased = client.get_registered_model(name).aliases
        before = {alias: str(version) for alias, version in aliased.items()}
        after = {alias: versions[digest] for alias, digest in wanted.items() if digest in versions}
        for alias in aliases:
            if alias in after and before.get(alias) != after[alias]:
                client.set_registered_model_alias(name, alias, after[alias])
            elif alias in before and alias not in after:
                client.delete_registered_model_alias(name, alias)
        return after


def illustrate(
    registered: RegisteredVersion, figures: Mapping[str, bytes], settings: Settings
) -> None:
    """Put figures by name beside what is known of a version, in place of older ones.

    Raises:
        RegistryError: when MLflow cannot be reached.
    """
    with registry_client(settings) as client, TemporaryDirectory() as folder:
        for name, picture in figures.items():
            Path(folder, f"{name}.png").write_bytes(picture)
        client.log_artifacts(registered.run_id, folder, "figures")


def record_card(run_id: str, card: str, settings: Settings) -> None:
    """Put the model card beside what is known of a version, in place of an older one.

    Raises:
        RegistryError: when MLflow cannot be reached.
    """
    with registry_client(settings) as client:
        client.log_text(run_id, card, "model_card.md")


def holds(registered: RegisteredVersion, settings: Settings) -> bool:
    """Whether the registry has the version; True when a server does not answer.

    It is asked at every run whose registration is cached, and MLflow is slow to import.

    Raises:
        RegistryError: when a server does not let us in.
    """
    if settings.mlflow_tracking_uri:
        return _server_holds(registered, settings.mlflow_tracking_uri)
    path = Path(settings.tracking_uri.removeprefix("sqlite:///"))
    if not path.exists():
        return False
    with closing(sqlite3.connect(path)) as database:
        query = "SELECT 1 FROM model_versions WHERE name = ? AND version = ?"
        return database.execute(query, (registered.name, registered.version)).fetchone() is not None


def _server_holds(registered: RegisteredVersion, uri: str) -> bool:
    import httpx

    query = {"name": registered.name, "version": registered.version}
    try:
        found = httpx.get(
            f"{uri}/api/2.0/mlflow/model-versions/get",
            params=query,
            timeout=5,
            headers=access.headers(),
        )
    except httpx.HTTPError:
        return True
    if found.status_code in access.REFUSALS:
        raise RegistryError(access.refusal(without_password(uri), found.status_code))
    return found.status_code != httpx.codes.NOT_FOUND


@contextmanager
def registry_client(settings: Settings) -> Iterator[MlflowClient]:
    """Yield a client of the configured store; what it raises becomes a RegistryError.

    MLflow's warnings are about its own insides, and its logs about its migrations: neither is for
    the people who run this.
    """
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    with warnings.catch_warnings(action="ignore"):
        import mlflow
        from mlflow.exceptions import MlflowException

        for chatty in ("mlflow", "alembic"):
            logging.getLogger(chatty).setLevel(logging.ERROR)
        settings.home.mkdir(parents=True, exist_ok=True)
        settle_in(settings)
        mlflow.set_tracking_uri(settings.tracking_uri)
        try:
            yield mlflow.MlflowClient()
        except MlflowException as error:
            status = int(error.get_http_status_code())  # type: ignore[no-untyped-call]
            if status in access.REFUSALS and settings.mlflow_tracking_uri:
                address = without_password(settings.mlflow_tracking_uri)
                raise RegistryError(access.refusal(address, status)) from error
            raise RegistryError(
                f"MLflow at {without_password(settings.tracking_uri)} refused or cannot be "
                f"reached ({error}): "
                "check HOUSING_MLFLOW_TRACKING_URI; what is computed stays cached"
            ) from error


def _registered(version: Any, digest: str) -> RegisteredVersion:
    return RegisteredVersion(
        name=version.name,
        version=str(version.version),
        run_id=version.run_id,
        bundle_digest=digest,
    )


def _create_model(client: MlflowClient, name: str) -> None:
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name, description="Median house value of a block group.")


def _tags(stages: Stages, settings: Settings) -> dict[str, str]:
    from housing_ml.bundle.signing import sign
    from housing_ml.orchestration.code_state import git_commit

    bundle, key = stages.training.bundle, settings.signing_key
    signature = sign(bundle.digest, key.get_secret_value()) if key else None
    found = stages.sweep.result
    return registration.tags(
        bundle, git_commit=git_commit(), sweep=found.url or found.study, signature=signature
    )


def _log(
    client: MlflowClient, stages: Stages, config: RetrainConfig, store: Store, settings: Settings
) -> tuple[str, str]:
    """Log the parent run, its nested runs and the model; return the ids of run and model."""
    import mlflow

    experiment = _experiment(client, config.registry.model_name, settings)
    with mlflow.start_run(
        experiment_id=experiment, run_name=f"retrain {stages.training.bundle.model}"
    ) as run:
        mlflow.set_tags(_tags(stages, settings))
        mlflow.log_params(stages.sweep.result.best_parameters)
        mlflow.log_metrics(stages.evaluation.told().metrics)
        _log_inputs(stages, store)
        for stage in registration.nested_runs(stages, config):
            with mlflow.start_run(run_name=stage.name, experiment_id=experiment, nested=True):
                mlflow.log_params(stage.parameters)
                mlflow.log_metrics(stage.metrics)
        with TemporaryDirectory() as folder:
            _write_artifacts(Path(folder), stages, config, store)
            mlflow.log_artifacts(folder)
        return run.info.run_id, _log_model(stages, store)


def _experiment(client: MlflowClient, name: str, settings: Settings) -> str:
    found = client.get_experiment_by_name(name)
    if found:
        return str(found.experiment_id)
    embedded = settings.mlflow_tracking_uri is None
    location = settings.artifacts_path.as_uri() if embedded else None
    return str(client.create_experiment(name, artifact_location=location))


def _log_inputs(stages: Stages, store: Store) -> None:
    import mlflow
    from mlflow.data.code_dataset_source import CodeDatasetSource
    from mlflow.data.meta_dataset import MetaDataset

    references: dict[str, DatasetRef] = {
        "raw": stages.ingestion.data,
        "train": stages.split.train,
        "holdout": stages.split.holdout,
    }
    for name, ref in references.items():
        source = CodeDatasetSource({"uri": f"{store.root}/{ref.key}"})
        dataset = MetaDataset(  # type: ignore[abstract]  # MLflow documents it so
            source, name=name, digest=ref.sha256[:_DIGEST_LENGTH]
        )
        mlflow.log_input(dataset, context=name)


def _write_artifacts(folder: Path, stages: Stages, config: RetrainConfig, store: Store) -> None:
    from housing_ml.reporting.markdown import table

    texts = {
        "best_params.yaml": registration.best_parameters(stages),
        "model_config.yaml": registration.model_config(stages, config),
        "description.md": description(stages),
        "model_card.md": model_card(stages.training, stages.evaluation),
        **{f"tables/{name}.md": table(rows) for name, rows in comparisons(stages).items()},
    }
    files = {name: text.encode() for name, text in texts.items()}
    bundle = stages.training.bundle.files
    files |= {f"bundle/{name}": store.get_bytes(ref) for name, ref in bundle.items()}
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _log_model(stages: Stages, store: Store) -> str:
    """Log the bundle so that `mlflow.pyfunc` answers as the API does; return its id.

    The signature tells what comes out. What goes in, the contract checks: MLflow's own check would
    refuse whole numbers, categories and missing bedrooms, and take every value.
    """
    from importlib.metadata import version

    import mlflow.pyfunc
    from mlflow.models import ModelSignature
    from mlflow.utils import requirements_utils

    from housing_ml.bundle.model import FILES

    # Which library has which module, MLflow asks all files of all libraries, for seconds: what is
    # required here is found by its name.
    vars(requirements_utils).update(_MODULES_TO_PACKAGES={})
    rows: pd.DataFrame = store.get_frame(stages.split.train).head(5)
    with TemporaryDirectory() as folder:
        bundle = stages.training.bundle.files
        for name in FILES:
            Path(folder, name).write_bytes(store.get_bytes(bundle[name]))
        logged = mlflow.pyfunc.log_model(
            name="model",
            python_model=str(Path(__file__).with_name("served_model.py")),
            artifacts={"bundle": folder},
            signature=ModelSignature(outputs=_answer()),
            input_example=rows[list(COLUMNS)],
            code_paths=[str(Path(__file__).parents[1])],
            pip_requirements=[f"{name}=={version(name)}" for name in _REQUIREMENTS],
        )
    return str(logged.model_id)


def _answer() -> MlflowSchema:
    from mlflow.types.schema import Array, ColSpec, DataType, Schema

    numbers = [ColSpec(DataType.double, name) for name in ("price", "lower", "upper")]
    at_least = ColSpec(DataType.boolean, "at_least")
    return Schema([*numbers, at_least, ColSpec(Array(DataType.string), "warnings")])
