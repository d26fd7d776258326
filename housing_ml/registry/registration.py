"""What the registry is told of a model: pure, from the records of the stages that made it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

    from housing_ml.config.retrain import RetrainConfig
    from housing_ml.records.metrics import Metrics
    from housing_ml.records.retrain import Stages
    from housing_ml.records.training import BundleRef


class StageRun(NamedTuple):
    """One stage as a nested run: what it was told and what it measured."""

    name: str
    parameters: dict[str, Any]
    metrics: dict[str, float]


def stage_runs(stages: Stages, config: RetrainConfig) -> list[StageRun]:
    """Return the stages in the order they ran."""
    raw, sides = stages.ingestion, stages.split.report
    imputers, clusters = stages.imputation.report, stages.features.report
    models, sweep = stages.selection.report, stages.sweep.result
    quarantined = raw.quarantine.rows if raw.quarantine else 0
    return [
        StageRun(
            "ingestion",
            {"source": raw.source, "source_sha256": raw.source_sha256, **_flat(config.data)},
            {"rows": raw.data.rows, "quarantined": quarantined, "repeated": raw.repeated_rows},
        ),
        StageRun(
            "split",
            _flat(config.split),
            {"train_rows": sides.train_rows, "holdout_rows": sides.holdout_rows},
        ),
        StageRun(
            "imputation",
            _flat(config.imputation) | {"chosen": imputers.chosen},
            {f"rmse_{score.name}": score.rmse for score in imputers.scores},
        ),
        StageRun(
            "features",
            _flat(config.features) | {"chosen": clusters.chosen},
            {f"cv_wmape_{score.clusters}_clusters": score.cv_wmape for score in clusters.scores},
        ),
        StageRun(
            "selection",
            _flat(config.selection) | {"winner": models.winner},
            {
                f"cv_wmape_{score.model}": score.validation.wmape
                for score in reversed(models.candidates)
            },
        ),
        StageRun(
            "sweep",
            _flat(config.sweep) | sweep.best_parameters,
            {"trials": len(sweep.trials)}
            | ({} if sweep.best_wmape is None else {"best_cv_wmape": sweep.best_wmape}),
        ),
        StageRun("training", _flat(config.training), {"rows": stages.training.bundle.rows}),
        StageRun("evaluation", _flat(config.evaluation), holdout_metrics(stages)),
    ]


def holdout_metrics(stages: Stages) -> dict[str, float]:
    """Return the figures on the holdout by name, with the ends of their intervals."""
    found = stages.evaluation.evaluation
    metrics: Metrics = found.metrics
    ends = {
        f"{name}_{end}": value
        for name, interval in found.intervals.items()
        for end, value in interval._asdict().items()
    }
    return {
        **metrics.model_dump(),
        **ends,
        "coverage": found.coverage,
        "mean_width": found.mean_width,
        "skew": stages.evaluation.skew,
    }


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
