"""What the registry is told of a model: pure, from the records of the stages that made it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

    from housing_ml.config.base import Config
    from housing_ml.config.retrain import RetrainConfig
    from housing_ml.records.base import Told
    from housing_ml.records.retrain import Stages
    from housing_ml.records.training import BundleRef


class Telling(Protocol):
    """The record of a stage, which tells of itself."""

    def told(self) -> Told:
        """Tell what the stage chose and measured."""
        ...


class NestedRun(NamedTuple):
    """One stage as a nested run: what it was told and what it measured."""

    name: str
    parameters: dict[str, Any]
    metrics: dict[str, float]


def nested_runs(stages: Stages, config: RetrainConfig) -> list[NestedRun]:
    """Return the stages in the order they ran."""
    told: dict[str, tuple[Config, Telling]] = {
        "ingestion": (config.data, stages.ingestion),
        "split": (config.split, stages.split),
        "imputation": (config.imputation, stages.imputation),
        "features": (config.features, stages.features),
        "selection": (config.selection, stages.selection),
        "sweep": (config.sweep, stages.sweep),
        "training": (config.training, stages.training),
        "evaluation": (config.evaluation, stages.evaluation),
    }
    return [
        NestedRun(name, _flat(part) | stage.told().parameters, stage.told().metrics)
        for name, (part, stage) in told.items()
    ]


def tags(
    bundle: BundleRef, *, git_commit: str, sweep: str, signature: str | None = None
) -> dict[str, str]:
    """Return what a version can be searched by, and what a service needs that follows an alias."""
    signed = {"signature": signature} if signature else {}
    return {
        "bundle_digest": bundle.digest,
        "data_digest": bundle.data_digest,
        "feature_fingerprint": bundle.feature_fingerprint,
        "git_commit": git_commit,
        "model": bundle.model,
        "rows": str(bundle.rows),
        "sweep": sweep,
        "synthetic": str(bundle.synthetic).lower(),
        **signed,
    }


def best_parameters(stages: Stages) -> str:
    """Return the sweep's best parameters as YAML that diffs well."""
    return _yaml(stages.sweep.result.best_parameters)


def model_config(stages: Stages, config: RetrainConfig) -> str:
    """Return all that the stages chose and the config that they were given, as YAML."""
    chosen = {
        "model": stages.selection.report.winner,
        "parameters": stages.sweep.result.best_parameters,
        "features": stages.features.parameters.model_dump(mode="json"),
    }
    return _yaml({"chosen": chosen, "config": config.model_dump(mode="json")})


def _yaml(document: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(document), sort_keys=True, default_flow_style=False)


def _flat(part: Any) -> dict[str, Any]:
    """Return a part of the config with its nested values as text."""
    return {
        name: value if isinstance(value, bool | int | float | str) else str(value)
        for name, value in part.model_dump(mode="json").items()
        if value is not None
    }
