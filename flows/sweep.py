"""Raw data to the best parameters of the best model: the first half of a retrain."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from prefect import flow

from flows import tasks
from flows.naming import run_name
from flows.progress import Progress
from housing_ml.config.retrain import RetrainConfig
from housing_ml.data.source import locate
from housing_ml.orchestration.failures import forget_exception
from housing_ml.orchestration.runs import result_storage, run_stage, session
from housing_ml.records.sweep import SweepResult
from housing_ml.records.world import WorldResult
from housing_ml.releases.channels import open_releases, read_channels
from housing_ml.releases.circumstances import champion_of
from housing_ml.reporting.artifacts import show_summary
from housing_ml.reporting.lead import lead, operators_page
from housing_ml.settings import Settings
from housing_ml.storage.atomic import write_atomically
from housing_ml.storage.store import open_store

if TYPE_CHECKING:
    from housing_ml.records.features import FeaturesResult
    from housing_ml.records.figures import Figures
    from housing_ml.records.imputation import ImputationResult
    from housing_ml.records.ingestion import IngestResult, MergeResult
    from housing_ml.records.selection import SelectionResult
    from housing_ml.records.split import SplitResult
    from housing_ml.records.sweep import SweepOutcome

STAGES = (
    *(tasks.ingestion, tasks.split, tasks.imputation, tasks.features),
    *(tasks.selection, tasks.sweep, tasks.sweep_figures),
)


_TRIALS = 20
"""Of a search that names no number: that of a retrain tries the selected parameters alone."""


class Search(NamedTuple):
    """The results of the stages up to the sweep."""

    world: WorldResult
    ingestion: IngestResult
    merge: MergeResult | None
    split: SplitResult
    imputation: ImputationResult
    features: FeaturesResult
    selection: SelectionResult
    sweep: SweepOutcome


def search(config: RetrainConfig, progress: Progress) -> tuple[Search, Figures]:
    """Run the stages up to the sweep, inside a flow; return what they found, and its figures."""
    source = locate(config.data, Settings())
    raw = progress.run(tasks.ingestion, config.data, *source)
    checked = WorldResult(accepted=()) if raw.synthetic else _check(raw, config)
    new = tasks.feedback(config.feedback) if config.feedback.days else None
    merged = None
    if new:
        merged = run_stage(tasks.merge, raw.data, new, config.feedback.trusted).result
    sides = progress.run(tasks.split, merged.data if merged else raw.data, config.split)
    imputation = progress.run(tasks.imputation, sides.train, config.imputation)
    features = progress.run(tasks.features, sides.train, imputation.report.chosen, config.features)
    fixed = (sides.train, features.parameters)
    selection = progress.run(tasks.selection, *fixed, config.selection)
    winner, selected = selection.report.winner, selection.report.parameters
    sweep = progress.run(tasks.sweep, *fixed, winner, selected, config.sweep)
    drawn = progress.run(tasks.sweep_figures, sweep)
    if tasks.sweep.name in progress.computed:
        tasks.sweep_tracking(sweep, drawn)
    return Search(checked, raw, merged, sides, imputation, features, selection, sweep), drawn


def _check(raw: IngestResult, config: RetrainConfig) -> WorldResult:
    channels, _ = read_channels(open_releases(Settings()))
    accepted: dict[str, str] = dict(config.data.accept_shift.items())
    return tasks.world(raw.data, champion_of(channels), accepted)


@flow(name="sweep", persist_result=False, flow_run_name=run_name, on_failure=[forget_exception])
def sweep(config: RetrainConfig = RetrainConfig()) -> SweepResult:  # noqa: B008 - frozen
    """Search for the best parameters of the selected model, and change nothing in service.

    A later retrain with the same config, its number of trials included, finds them in its cache.

    Args:
        config: What may be turned: of a retrain, up to its sweep.
    """
    from housing_ml.modelling.sweep.figures import sweep_page  # noqa: PLC0415 - takes a second

    stages, drawn = search(searching(config), Progress(STAGES))
    found = stages.sweep
    store = open_store(Settings())
    figures = {name: store.get_bytes(ref) for name, ref in drawn.figures.items()}
    sentence = f"{found}; nothing in service changes."
    links = {**operators_page(Settings()), "The sweep in Weights & Biases": found.result.url}
    show_summary(str(found), lead(sentence, next(iter(figures.values()), None), links))
    write_atomically(Settings().reports_path / "sweep.html", sweep_page(found.result, figures))
    return found.result


def searching(config: RetrainConfig) -> RetrainConfig:
    """Return a config whose sweep tries as many as were named, or as a search should."""
    if "trials" in config.sweep.model_fields_set:
        return config
    wanted = config.sweep.model_copy(update={"trials": _TRIALS})
    return config.model_copy(update={"sweep": wanted})


def run_sweep(config: RetrainConfig, settings: Settings, *, verbose: bool = False) -> SweepResult:
    """Run the flow from a program: on the configured Prefect server, or on one of its own."""
    with session(verbose=verbose):
        return sweep.with_options(result_storage=result_storage(settings))(config)
