"""The main job: raw data to a model that is promoted when it passes the gate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefect import flow

from flows import tasks
from flows.naming import run_name
from flows.progress import Progress
from flows.sweep import STAGES as SEARCH
from flows.sweep import search
from housing_ml.config.retrain import RetrainConfig
from housing_ml.orchestration.failures import forget_exception
from housing_ml.orchestration.one_retrain import alone
from housing_ml.orchestration.runs import result_storage, run_stage, session
from housing_ml.records.figures import Figures
from housing_ml.records.retrain import RegisteredVersion, RetrainResult, Stages
from housing_ml.registry.models import holds
from housing_ml.registry.schema import check_schema
from housing_ml.releases.champion import is_champion
from housing_ml.releases.channels import open_releases, read_channels
from housing_ml.releases.circumstances import circumstances
from housing_ml.releases.promotion import repair
from housing_ml.settings import Settings

if TYPE_CHECKING:
    from flows.sweep import Search
    from housing_ml.config.promotion import PromotionMode
    from housing_ml.records.gate import GateDecision
    from housing_ml.records.world import WorldResult

STAGES = (
    *SEARCH,
    *(tasks.training, tasks.evaluation, tasks.figures, tasks.registration, tasks.gate),
)


@flow(name="retrain", persist_result=False, flow_run_name=run_name, on_failure=[forget_exception])
def retrain(config: RetrainConfig = RetrainConfig()) -> RetrainResult:  # noqa: B008 - frozen
    """Turn raw data into a model, and promote it when it passes the gate.

    Args:
        config: What may be turned; the defaults train a good model.
    """
    with alone():
        return _retrain(config)


def _retrain(config: RetrainConfig) -> RetrainResult:
    check_schema(Settings())
    progress = Progress(STAGES)
    found, drawn = search(config, progress)
    stages, drawn = _train(found, drawn, config, progress)
    registered = _register(stages, config, progress)
    if {tasks.registration.name, tasks.figures.name} & progress.computed:
        tasks.model_record(stages, config, registered, drawn)
    decision, mode = _release(stages, registered, found.world, config, progress)
    return tasks.report(stages, registered, decision, mode, drawn)


def _train(
    found: Search, drawn: Figures, config: RetrainConfig, progress: Progress
) -> tuple[Stages, Figures]:
    trained = progress.run(
        tasks.training,
        found.split.train,
        found.features.parameters,
        found.selection.report.winner,
        found.sweep.result.best_parameters,
        config.training,
        source=found.ingestion.data,
        sides=config.split,
        synthetic=found.ingestion.synthetic,
    )
    evaluated = progress.run(tasks.evaluation, trained, *found.split.sides, config.evaluation)
    comparisons = found.imputation, found.features, found.selection
    figures = progress.run(tasks.figures, *comparisons, evaluated, found.split.holdout)
    parts = {name: part for name, part in found._asdict().items() if name != "world"}
    stages = Stages(**parts, training=trained, evaluation=evaluated)
    return stages, Figures(figures=drawn.figures | figures.figures)


def _register(stages: Stages, config: RetrainConfig, progress: Progress) -> RegisteredVersion:
    registered = progress.run(tasks.registration, stages, config)
    if holds(registered, Settings()):
        return registered
    progress.computed.add(tasks.registration.name)
    return run_stage(tasks.registration.with_options(refresh_cache=True), stages, config).result


def _release(
    stages: Stages,
    registered: RegisteredVersion,
    world: WorldResult,
    config: RetrainConfig,
    progress: Progress,
) -> tuple[GateDecision, PromotionMode | None]:
    channels, _ = read_channels(open_releases(Settings()))
    digest = stages.training.bundle.digest
    known = circumstances(channels, digest, config.gate)
    if stages.merge:
        learned = {"replaced_share": stages.merge.changed_share, "moves": stages.merge.moves}
        known = known.model_copy(update=learned)
    decision = progress.run(
        tasks.gate,
        stages.training,
        stages.evaluation,
        stages.split.holdout,
        known,
        config.gate,
        config.split,
        config.release.autonomy,
        None if is_champion(channels, digest) else tasks.traffic(config.gate),
    )
    if world.accepted:
        tasks.acceptance(registered, world.accepted)
    if is_champion(channels, digest):
        repair(Settings())
        return decision, "direct" if decision.promote else None
    judged = registered, stages.training, stages.evaluation, decision, known.baseline
    return decision, tasks.promotion(*judged, config.promotion)


def run_retrain(
    config: RetrainConfig, settings: Settings, *, refresh: bool = False, verbose: bool = False
) -> RetrainResult:
    """Run the flow from a program: on the configured Prefect server, or on one of its own."""
    with session(refresh=refresh, verbose=verbose):
        return retrain.with_options(result_storage=result_storage(settings))(config)
