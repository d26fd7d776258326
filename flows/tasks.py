"""The stages as cached Prefect tasks: read references, call one pure function, store what it made.

Between stages travel small frozen records that refer to immutable data, never frames. A stage
imports the code it runs inside its body: what it reaches from there is what its cache depends on,
and a run whose stages are all cached stays light.
"""
# ruff: noqa: PLC0415 - see above

from __future__ import annotations

from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING

from prefect import task
from prefect.logging import get_run_logger

from housing_ml.config.choices import FeatureParameters, ImputerName, ModelName, Parameters
from housing_ml.config.feedback import FeedbackConfig
from housing_ml.config.gate import GateConfig
from housing_ml.config.promotion import PromotionConfig, PromotionMode
from housing_ml.config.retrain import RetrainConfig
from housing_ml.data.contract import COLUMNS, TARGET, to_matrix
from housing_ml.orchestration.caching import LIBRARIES, stage
from housing_ml.records.evaluation import EvaluationResult
from housing_ml.records.features import FeaturesResult
from housing_ml.records.figures import Figures
from housing_ml.records.gate import Baseline, Circumstances, GateDecision
from housing_ml.records.imputation import ImputationResult
from housing_ml.records.ingestion import MergeResult
from housing_ml.records.refs import ArtifactRef, DatasetRef
from housing_ml.records.retrain import RegisteredVersion, RetrainResult, Stages
from housing_ml.records.selection import SelectionResult
from housing_ml.records.split import SplitResult
from housing_ml.records.sweep import SweepOutcome
from housing_ml.records.training import BundleRef, TrainingResult
from housing_ml.settings import Settings
from housing_ml.storage.atomic import write_atomically
from housing_ml.storage.store import Store, open_store

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from housing_ml.config.data import DataConfig, SplitConfig
    from housing_ml.config.modelling import (
        EvaluationConfig,
        FeatureConfig,
        ImputationConfig,
        SelectionConfig,
        TrainingConfig,
    )
    from housing_ml.config.release import Autonomy
    from housing_ml.config.sweep import SweepConfig
    from housing_ml.data.contract import Matrix
    from housing_ml.gate.traffic import Asked
    from housing_ml.records.ingestion import IngestResult
    from housing_ml.records.world import WorldResult


@stage(retries=2, timeout_seconds=600, words=True)
def ingestion(
    config: DataConfig,
    address: str,
    expected_sha256: str | None,
    version: str,  # noqa: ARG001 - part of the key
) -> IngestResult:
    """Read the source, check it against the contract, and store typed rows.

    `version` changes when the source's content does, and the cached result with it.
    """
    from housing_ml.data.ingest import ingest, ingest_synthetic

    store = open_store(Settings())
    if config.synthetic:
        return ingest_synthetic(config, store)
    return ingest(config, address, expected_sha256, store)


@stage(timeout_seconds=300)
def world(data: DatasetRef, champion: Baseline | None, accepted: dict[str, str]) -> WorldResult:
    """Hold the source against the one that the champion was made of, or against the census."""
    from housing_ml.releases.channels import open_releases
    from housing_ml.releases.worlds import check_world, known_world

    settings = Settings()
    known = known_world(open_releases(settings), champion)
    of = f"that of version {champion.version}" if champion and known else "the published census"
    return check_world(open_store(settings).get_frame(data), known, of, accepted)


@task(task_run_name="feedback", persist_result=False)
def feedback(config: FeedbackConfig) -> DatasetRef | None:
    """Store the block groups of the last days whose actual price has come, if any; not cached."""
    from datetime import UTC, datetime

    from housing_ml.feedback.labelled_rows import labelled_rows
    from housing_ml.releases.channels import open_releases

    settings = Settings()
    now = datetime.now(UTC)
    rows = labelled_rows(open_releases(settings), config.days, now, config)
    return None if rows.empty else open_store(settings).put_frame(rows)


@stage(timeout_seconds=300, words=True)
def merge(base: DatasetRef, new: DatasetRef, trusted: tuple[str, ...] = ()) -> MergeResult:
    """Let what senders of feedback support replace and complete the rows of the source."""
    from housing_ml.feedback.corroboration import corroborate
    from housing_ml.feedback.labelled_rows import merge as merge_rows

    store = open_store(Settings())
    source = store.get_frame(base)
    supported = corroborate(source, store.get_frame(new), trusted)
    rows, report = merge_rows(source, supported.rows)
    return MergeResult(
        data=store.put_frame(rows),
        base=report.base,
        replaced=report.replaced,
        added=report.added,
        waiting=supported.waiting,
        bounded=supported.bounded,
        repriced=report.repriced,
        moves=report.moves,
    )


@stage(timeout_seconds=300)
def split(data: DatasetRef, config: SplitConfig) -> SplitResult:
    """Hold places out."""
    from housing_ml.data.split import split as split_rows

    store = open_store(Settings())
    train, holdout, report = split_rows(store.get_frame(data), config)
    return SplitResult(
        train=store.put_frame(train), holdout=store.put_frame(holdout), report=report
    )


@stage(timeout_seconds=900)
def imputation(train: DatasetRef, config: ImputationConfig) -> ImputationResult:
    """Compare the imputers on masked known values of the training rows."""
    from housing_ml.modelling.imputer_comparison import compare_imputers

    store = open_store(Settings())
    raw, _ = _labelled(store, train)
    return ImputationResult(report=compare_imputers(raw, config))


@stage(timeout_seconds=900)
def features(train: DatasetRef, imputer: ImputerName, config: FeatureConfig) -> FeaturesResult:
    """Compare numbers of clusters by cross-validated model error."""
    from housing_ml.modelling.cluster_comparison import compare_clusters

    store = open_store(Settings())
    report = compare_clusters(*_labelled(store, train), imputer, config)
    return FeaturesResult(
        report=report,
        parameters=FeatureParameters(imputer=imputer, clusters=report.chosen, seed=config.seed),
    )


@stage(timeout_seconds=3600)
def selection(
    train: DatasetRef, features: FeatureParameters, config: SelectionConfig
) -> SelectionResult:
    """Cross-validate every candidate model."""
    from housing_ml.modelling.model_comparison import select_model

    store = open_store(Settings())
    return SelectionResult(report=select_model(*_labelled(store, train), features, config))


@stage(retries=1, timeout_seconds=12 * 3600)
def sweep(
    train: DatasetRef,
    features: FeatureParameters,
    model: ModelName,
    parameters: Parameters,
    config: SweepConfig,
) -> SweepOutcome:
    """Search for the winner's best parameters."""
    from flows.trial_tasks import dask_workers
    from housing_ml.modelling.sweep.drivers import sweep as run_sweep
    from housing_ml.modelling.sweep.objective import Objective

    settings = Settings()
    store = open_store(settings)
    objective = Objective(*_labelled(store, train), features, model, parameters, config)
    scheduler = settings.dask_scheduler
    cluster = partial(dask_workers, scheduler=scheduler) if scheduler else None
    return SweepOutcome(
        result=run_sweep(objective, settings.optuna_url, objective.digest(train.sha256), cluster)
    )


@task(task_run_name="tracking of the sweep", persist_result=False)
def sweep_tracking(outcome: SweepOutcome, drawn: Figures) -> None:
    """Tell Weights & Biases of the trials; not cached, and what goes wrong there is only said."""
    from housing_ml.modelling.sweep.tracking import track_sweep

    settings = Settings()
    figures = _read_figures(open_store(settings), drawn)
    _warn(track_sweep(outcome.result, figures, settings))


@stage(timeout_seconds=300, libraries=(*LIBRARIES, "matplotlib", "optuna"))
def sweep_figures(outcome: SweepOutcome) -> Figures:
    """Draw what the sweep learnt."""
    from housing_ml.modelling.sweep.figures import sweep_figures as draw

    return _store_figures(draw(outcome.result))


@stage(timeout_seconds=3600)
def training(  # noqa: PLR0913 - the choices of the stages before, each from its own
    train: DatasetRef,
    features: FeatureParameters,
    model: ModelName,
    parameters: Parameters,
    config: TrainingConfig,
    *,
    source: DatasetRef,
    sides: SplitConfig,
    synthetic: bool,
) -> TrainingResult:
    """Fit the chosen model on all training rows, with its prediction interval."""
    from housing_ml.bundle.manifest import Provenance
    from housing_ml.data.weights import weights_of
    from housing_ml.data.world import describe_world
    from housing_ml.data.world_record import HeldOut
    from housing_ml.modelling.pipeline_file import pipeline_to_bytes
    from housing_ml.modelling.training import train as fit

    store = open_store(Settings())
    provenance = Provenance(data_digest=train.sha256, rows=train.rows, synthetic=synthetic)
    known = describe_world(store.get_frame(source))
    held_out = HeldOut(sides.holdout_share, sides.salt, "place")
    frame = store.get_frame(train)
    raw, prices = _raw_and_prices(frame)
    chosen = features, model, parameters, config
    trained = fit(raw, prices, *chosen, provenance, known, held_out, weights_of(frame))
    manifest = trained.bundle.manifest
    return TrainingResult(
        bundle=BundleRef(
            digest=trained.bundle.digest,
            files={
                name: store.put_bytes(content, f"-{name}")
                for name, content in trained.bundle.files().items()
            },
            model=manifest.model,
            feature_fingerprint=manifest.feature_fingerprint,
            interval_level=manifest.interval.level,
            data_digest=train.sha256,
            rows=train.rows,
            synthetic=synthetic,
        ),
        places=trained.places,
        pipeline=store.put_bytes(pipeline_to_bytes(trained.pipeline), ".skops"),
        blocked_wmape=trained.blocked_wmape,
    )


@stage(timeout_seconds=900)
def evaluation(
    trained: TrainingResult, train: DatasetRef, holdout: DatasetRef, config: EvaluationConfig
) -> EvaluationResult:
    """Judge the model on the holdout, which nothing before has seen."""
    from housing_ml.bundle.stored import load_stored
    from housing_ml.modelling.evaluation import evaluate, permutation_importance
    from housing_ml.modelling.known_places import by_place, is_known

    store = open_store(Settings())
    raw, actual = _labelled(store, holdout)
    bundle = load_stored(store, trained.bundle)
    prediction = bundle.predict_matrix(raw)
    kilometres = bundle.familiarity.kilometres(raw)
    result = evaluate(raw, actual, prediction, config, kilometres)
    importances = permutation_importance(
        lambda rows: bundle.predict_matrix(rows).price, raw, actual, repeats=2, seed=config.seed
    )
    return EvaluationResult(
        evaluation=result,
        skew=_skew(store, trained, raw, prediction.price),
        importances=tuple(importances),
        places=by_place(actual, prediction.price, is_known(raw, _labelled(store, train)[0])),
        predictions=_store_predictions(store, holdout, prediction.price),
    )


@stage(timeout_seconds=300, libraries=(*LIBRARIES, "matplotlib"))
def figures(
    imputation: ImputationResult,
    features: FeaturesResult,
    selection: SelectionResult,
    evaluated: EvaluationResult,
    holdout: DatasetRef,
) -> Figures:
    """Draw the comparisons, and the errors on the holdout."""
    from housing_ml.reporting import figures as drawn

    store = open_store(Settings())
    rows, prices = store.get_frame(holdout), store.get_frame(evaluated.predictions)
    actual, predicted = prices["actual"].to_numpy(), prices["predicted"].to_numpy()
    places = rows["longitude"].to_numpy(), rows["latitude"].to_numpy()
    return _store_figures(
        {
            "imputers": drawn.imputer_comparison(imputation.report),
            "clusters": drawn.cluster_comparison(features.report),
            "models": drawn.model_comparison(selection.report),
            "predicted_against_actual": drawn.predicted_against_actual(actual, predicted),
            "residual_map": drawn.residual_map(*places, actual, predicted),
            "importance": drawn.importance(evaluated.importances),
            "error_by_slice": drawn.error_by_slice(evaluated.evaluation),
        }
    )


@task(task_run_name="traffic", persist_result=False)
def traffic(config: GateConfig) -> DatasetRef | None:
    """Store what the service was asked for lately, if anything was; not cached."""
    from datetime import UTC, datetime

    from housing_ml.feedback.traffic import recent_traffic
    from housing_ml.releases.channels import open_releases

    settings, days = Settings(), config.traffic_days
    storage, now = open_releases(settings), datetime.now(UTC)
    rows = recent_traffic(storage, now, days=days, most=config.traffic_rows)
    return None if rows is None else open_store(settings).put_frame(rows)


@stage(timeout_seconds=300)
def gate(  # noqa: PLR0913, PLR0917 - what each of the stages before has found
    trained: TrainingResult,
    evaluated: EvaluationResult,
    holdout: DatasetRef,
    circumstances: Circumstances,
    config: GateConfig,
    sides: SplitConfig,
    autonomy: Autonomy,
    traffic: DatasetRef | None = None,
) -> GateDecision:
    """Decide whether the model may replace the champion, judged anew on the same holdout."""
    from housing_ml.gate.decision import decide
    from housing_ml.gate.evidence import Policy, gather
    from housing_ml.releases.channels import open_releases
    from housing_ml.releases.predictions import published_predictions

    store = open_store(Settings())
    baseline = circumstances.baseline
    evidence = gather(
        trained,
        evaluated,
        holdout,
        circumstances,
        rival=_rival_prices(store, evaluated, holdout, baseline),
        own=published_predictions(open_releases(Settings()), baseline.bundle) if baseline else None,
        asked=_asked(store, traffic, baseline) if traffic else None,
        config=config,
        policy=Policy(sides, autonomy),
        store=store,
    )
    return decide(evidence, config)


@stage(retries=2, timeout_seconds=900)
def registration(stages: Stages, config: RetrainConfig) -> RegisteredVersion:
    """Register the model in MLflow with all that led to it; the same content registers once."""
    from housing_ml.registry.models import register

    settings = Settings()
    return register(stages, config, open_store(settings), settings)


@task(task_run_name="record of the model", persist_result=False)
def model_record(
    stages: Stages, config: RetrainConfig, registered: RegisteredVersion, drawn: Figures
) -> None:
    """Add the figures to MLflow's run and tell Weights & Biases of the model; not cached."""
    from housing_ml.registry.models import RegistryError, illustrate
    from housing_ml.registry.wandb_record import track_retrain

    settings = Settings()
    try:
        illustrate(registered, _read_figures(open_store(settings), drawn), settings)
    except RegistryError as error:
        _warn(str(error))
    _warn(track_retrain(stages, config, stages.evaluation.told().metrics, settings))


@task(task_run_name="acceptance", persist_result=False)
def acceptance(registered: RegisteredVersion, accepted: tuple[str, ...]) -> None:
    """Record what a person accepted of the source."""
    from housing_ml.releases.promotion import note_accepted

    note_accepted(registered, accepted, settings=Settings())


@task(task_run_name="promotion", persist_result=False)
def promotion(  # noqa: PLR0913, PLR0917 - what each of the stages before has found
    registered: RegisteredVersion,
    trained: TrainingResult,
    evaluated: EvaluationResult,
    decision: GateDecision,
    beaten: Baseline | None,
    config: PromotionConfig,
) -> PromotionMode | None:
    """Bring a model that passed the gate into service; record another one as challenger."""
    from housing_ml.releases.promotion import reject
    from housing_ml.reporting.artifacts import announce_question, announce_rejection
    from housing_ml.rollout.entry import bring_into_service

    settings = Settings()
    if decision.promote:
        stages = registered, trained, evaluated, decision
        return bring_into_service(*stages, beaten, config, settings=settings)
    hours = config.guard_hours
    reject(registered, trained, evaluated, decision, settings=settings, guard_hours=hours)
    if decision.ask:
        announce_question(registered.version, decision.reasons)
    else:
        announce_rejection(registered.version, decision.reasons)
    return None


@task(task_run_name="report", persist_result=False)
def report(
    stages: Stages,
    registered: RegisteredVersion,
    decision: GateDecision,
    mode: PromotionMode | None,
    drawn: Figures,
) -> RetrainResult:
    """Write summary and figures to the reports folder, and show the summary in Prefect."""
    from housing_ml.modelling.sweep.figures import sweep_page
    from housing_ml.reporting.artifacts import show_summary
    from housing_ml.reporting.gate import gate_page
    from housing_ml.reporting.gate_figure import gate_picture
    from housing_ml.reporting.lead import lead, operators_page, version_page
    from housing_ml.reporting.retrain import outcome, summary

    settings = Settings()
    folder = settings.reports_path / f"version-{registered.version}"
    became = outcome(registered, decision, mode)
    text = summary(stages, decision, became, str(folder))
    store = open_store(settings)
    figures = {
        name: _at_hand(store, ref, folder / f"{name}.png") for name, ref in drawn.figures.items()
    }
    sweeps = {name: png for name, png in figures.items() if name.startswith("sweep")}
    page = sweep_page(stages.sweep.result, sweeps)
    write_atomically(folder / "sweep.html", page)
    write_atomically(folder / "summary.md", text.encode())
    write_atomically(folder / "gate.md", gate_page(decision).encode())
    links = {
        **operators_page(settings),
        **version_page(settings, registered.name, registered.version),
        "The sweep in Weights & Biases": stages.sweep.result.url,
    }
    why = f"{became.removesuffix('.')}: {'; '.join(decision.reasons)}."
    show_summary(text, lead(why, gate_picture(decision), links))
    return RetrainResult(
        version=registered.version,
        bundle=registered.bundle_digest,
        promoted=mode == "direct",
        probation=mode if mode != "direct" else None,
        asked=decision.ask,
        decision=decision,
        evaluation=stages.evaluation.evaluation,
        winner=stages.selection.report.winner,
        parameters=stages.sweep.result.best_parameters,
        synthetic=stages.ingestion.synthetic,
        reports=str(folder),
        summary=text,
    )


def _at_hand(store: Store, ref: ArtifactRef, path: Path) -> bytes:
    """Return a stored object from the file at `path`, which becomes a copy of it if it is none."""
    held = path.read_bytes() if path.exists() else b""
    if sha256(held).hexdigest() == ref.sha256:
        return held
    content = store.get_bytes(ref)
    write_atomically(path, content)
    return content


def _rival_prices(
    store: Store, evaluated: EvaluationResult, holdout: DatasetRef, rival: Baseline | None
) -> NDArray[np.float64] | None:
    """Return the prices of the model to beat, NaN for rows that it saw; None without one."""
    from housing_ml.releases.channels import open_releases
    from housing_ml.releases.predictions import champion_prices, only_unseen

    if rival is None:
        return None
    releases, frame = open_releases(Settings()), store.get_frame(holdout)
    identity = store.get_frame(evaluated.predictions)["identity"]
    prices = champion_prices(identity, to_matrix(frame), rival.bundle, releases)
    return only_unseen(frame, prices, rival.bundle, releases)


def _asked(store: Store, traffic: DatasetRef, champion: Baseline | None) -> Asked:
    """Return logged rows, and what the champion makes of them."""
    from housing_ml.releases.channels import open_releases
    from housing_ml.releases.predictions import champion_on_traffic

    return champion_on_traffic(store.get_frame(traffic), champion, open_releases(Settings()))


def _skew(store: Store, trained: TrainingResult, raw: Matrix, price: NDArray[np.float64]) -> float:
    """Return the largest relative difference between the bundle's and the pipeline's prices."""
    import numpy as np

    from housing_ml.bundle.stored import load_stored
    from housing_ml.modelling.pipeline_file import pipeline_from_bytes

    pipeline = pipeline_from_bytes(store.get_bytes(trained.pipeline))
    limits = load_stored(store, trained.bundle).manifest.price_range
    expected = np.clip(pipeline.predict(raw), limits.minimum, limits.maximum)
    return float(np.max(np.abs(price - expected) / expected))


def _store_predictions(store: Store, holdout: DatasetRef, price: NDArray[np.float64]) -> DatasetRef:
    """Store identity hash, actual and predicted price and columns of each row of the holdout."""
    import pandas as pd

    from housing_ml.data.split import identity_hash

    frame = store.get_frame(holdout)
    return store.put_frame(
        pd.DataFrame(
            {
                "identity": identity_hash(frame, salt=""),
                "actual": frame[TARGET],
                "predicted": price,
                **{name: frame[name] for name in COLUMNS},
            }
        )
    )


def _labelled(store: Store, ref: DatasetRef) -> tuple[Matrix, NDArray[np.float64]]:
    """Return raw rows (rows, 9) and prices (rows,) in dollars."""
    return _raw_and_prices(store.get_frame(ref))


def _raw_and_prices(frame: pd.DataFrame) -> tuple[Matrix, NDArray[np.float64]]:
    return to_matrix(frame), frame[TARGET].to_numpy()


def _store_figures(pictures: Mapping[str, bytes]) -> Figures:
    store = open_store(Settings())
    return Figures(figures={name: store.put_bytes(png, ".png") for name, png in pictures.items()})


def _read_figures(store: Store, drawn: Figures) -> dict[str, bytes]:
    return {name: store.get_bytes(ref) for name, ref in drawn.figures.items()}


def _warn(problem: str | None) -> None:
    """Say what went wrong where it stops nothing."""
    if problem:
        get_run_logger().warning(problem)
