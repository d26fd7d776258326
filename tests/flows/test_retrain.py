"""The main job, on a sample of the real data with small comparisons."""

from __future__ import annotations

import json
import logging
import os
import platform
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.sorting import FlowRunSort

import flows
import housing_ml
from flows.retrain import run_retrain
from flows.sweep import run_sweep
from housing_ml.bundle.model import Bundle
from housing_ml.config.retrain import RetrainConfig
from housing_ml.data.contract import COLUMNS, to_matrix
from housing_ml.data.source import SourceError
from housing_ml.data.synthetic import generate
from housing_ml.feedback.actual_prices import Feedback, FeedbackStore
from housing_ml.registry.models import _REQUIREMENTS, set_alias
from housing_ml.registry.relocation import settle_in
from housing_ml.releases.channels import (
    fetch_bundle,
    history,
    move_channels,
    open_releases,
    publish_bundle,
    read_channels,
)
from housing_ml.settings import Settings, at_home, unproxied
from housing_ml.storage.backup import back_up, restore
from housing_ml.storage.versioned import LocalReleases
from serve.prediction_log import parquet
from serve.prediction_log.segments import Entry, to_columns
from tests.waiting import PATIENCE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from housing_ml.records.retrain import RetrainResult
    from housing_ml.releases.records import Release

pytestmark = pytest.mark.usefixtures("prefect_server")

STAGES = [
    *("ingestion", "split", "imputation", "features", "selection", "sweep", "sweep_figures"),
    *("training", "evaluation", "figures", "registration", "gate"),
]
UNRECORDED = {"sweep_figures", "figures", "registration", "gate"}
"""Stages that are no nested run in MLflow."""

SMALL: dict[str, Any] = {
    "imputation": {"candidates": ["median", "neighbours"], "repeats": 1},
    "features": {"cluster_candidates": [0, 5], "folds": 2},
    "selection": {
        "folds": 2,
        "candidates": [
            {"model": "ridge"},
            {
                "model": "histogram_gradient_boosting",
                "grid": {"max_iter": [30], "learning_rate": [0.1]},
            },
        ],
    },
    "sweep": {"trials": 2, "folds": 2},
    "training": {"folds": 2},
    "evaluation": {"bootstrap_samples": 100},
    "gate": {
        "bootstrap_samples": 200,
        "max_rmse": 100_000,
        "max_cod": 1.0,
        "max_prd": 2.0,
        "max_prb": 1.0,
        "min_r2": 0.3,
        "max_mape": 0.5,
        "coverage_tolerance": 0.1,
        "minimum_gain": 0.02,
    },
}

FEW: dict[str, Any] = {
    "imputation": {"candidates": ["median"]},
    "features": {"cluster_candidates": [0]},
    "selection": {"candidates": [{"model": "ridge"}]},
    "sweep": {"trials": 0},
}
"""Of the small comparisons the smallest, where it does not matter what wins."""


def small(**changes: dict[str, Any]) -> RetrainConfig:
    parts = {name: SMALL.get(name, {}) | changes.get(name, {}) for name in SMALL | changes}
    return RetrainConfig.model_validate(parts)


def champion(settings: Settings) -> Release:
    channels, _ = read_channels(open_releases(settings))
    return channels.channels["champion"]


def log(rows: pd.DataFrame) -> list[str]:
    """Log rows as priced just now, and return their ids."""
    moment, ids = datetime.now(UTC), [f"prediction-{row}" for row in range(len(rows))]
    numbers = np.column_stack([to_matrix(rows), np.full((len(rows), 3), 345_678.0)]).tobytes()
    entry = Entry(moment.timestamp(), "1", "champion", ids, numbers)
    name = f"predictions/date={moment.date()}/segment.parquet"
    open_releases(Settings()).write(name, parquet.encode(to_columns([entry])))
    return ids


class Run:
    """A retrain in this process, with how each stage went."""

    def __init__(self, config: RetrainConfig, *, refresh: bool = False) -> None:
        lines: list[str] = []

        class Lines(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                if record.levelno > logging.DEBUG:
                    lines.append(record.getMessage())

        logger, handler = logging.getLogger("prefect.flow_runs.stages"), Lines()
        logger.addHandler(handler)
        try:
            self.result: RetrainResult = run_retrain(config, Settings(), refresh=refresh)
        finally:
            logger.removeHandler(handler)
        self.stages = {line.split()[0]: line.split()[1] for line in lines}
        self.shown = shown_by_the_newest_run()
        self.written = Path(self.result.reports, "summary.md").read_text()
        self.tables = sorted(Settings().storage_path.glob("data/*/*.parquet"), key=_size)
        """What is in the storage after it, by size."""

    @property
    def computed(self) -> list[str]:
        return [name for name, how in self.stages.items() if how == "computed"]


def shown_by_the_newest_run() -> set[str | None]:
    """The keys of its artifacts in Prefect; the progress bar has none."""
    with get_client(sync_client=True) as client:
        (run,) = client.read_flow_runs(sort=FlowRunSort.START_TIME_DESC, limit=1)
        newest = FlowRunFilter(id=FlowRunFilterId(any_=[run.id]))
        return {item.key for item in client.read_artifacts(flow_run_filter=newest)}


@pytest.fixture(scope="module")
def sample(housing_frame: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "housing.csv"
    housing_frame.sample(2_000, random_state=7).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def home(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        path = tmp_path_factory.mktemp("home")
        patch.setenv("HOUSING_HOME", str(path))
        patch.setenv("HOUSING_DATA_URL", str(sample))
        for name in ("WANDB_API_KEY", "WANDB_MODE"):
            patch.delenv(name, raising=False)
        patch.chdir(path)
        yield path


@pytest.fixture(scope="module")
def first(home: Path) -> Iterator[Run]:
    """The first run from nothing; the later ones leave no records for Weights & Biases."""
    assert not list(home.iterdir())
    run = Run(small())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WANDB_MODE", "disabled")
        yield run


def test_the_first_run_computes_every_stage_and_promotes_the_model(first: Run) -> None:
    assert list(first.stages) == STAGES
    assert first.computed == STAGES
    assert first.result.promoted
    live = champion(Settings())
    assert (live.version, live.bundle) == (first.result.version, first.result.bundle)
    assert live.metrics["rmse"] == first.result.evaluation.metrics.rmse
    assert not live.data.synthetic


def test_a_sweep_finds_the_stages_of_a_retrain_cached_and_changes_nothing(first: Run) -> None:
    found = run_sweep(small(), Settings())

    assert found.best_parameters == first.result.parameters
    assert len(found.trials) == 2
    assert champion(Settings()).bundle == first.result.bundle


def test_the_summary_and_every_figure_are_in_the_reports_folder(first: Run) -> None:
    reports = Path(first.result.reports)

    assert first.written == first.result.summary
    figures = {path.stem for path in reports.glob("*.png")}
    assert {"imputers", "clusters", "models", "sweep", "residual_map", "importance"} <= figures
    assert str(reports) in first.result.summary


def test_the_first_run_shows_progress_and_what_each_stage_found(first: Run) -> None:
    tables = {"imputers", "clusters", "models", "trials", "gate"}
    assert {None, "summary", *tables} <= first.shown
    assert {"figure-imputers", "figure-sweep", "figure-residual-map"} <= first.shown


@pytest.mark.usefixtures("first")
def test_a_second_run_finds_every_stage_cached_and_shows_its_summary(home: Path) -> None:
    before = history(open_releases(Settings()))

    again = Run(small())

    assert (again.stages, again.computed) == (dict.fromkeys(STAGES, "cached"), [])
    assert again.shown == {"summary"}
    assert history(open_releases(Settings())) == before
    assert home.exists()


def test_refresh_computes_all_again_and_finds_the_same_model(first: Run) -> None:
    again = Run(small(), refresh=True)

    assert again.computed == STAGES
    assert (again.result.bundle, again.result.version) == (first.result.bundle, "1")


@pytest.mark.parametrize("damage", ["deleted", "corrupted"])
def test_a_missing_or_damaged_table_is_computed_again(first: Run, damage: str) -> None:
    train = first.tables[-2]  # the largest is all rows
    content = train.read_bytes()
    if damage == "deleted":
        train.unlink()
    else:
        train.write_bytes(content[:-100] + bytes(100))

    again = Run(small())

    assert again.computed == ["split"]
    assert train.read_bytes() == content


@pytest.mark.usefixtures("first")
def test_a_change_of_one_stages_config_leaves_the_stages_before_it_cached() -> None:
    again = Run(small(evaluation={"bootstrap_samples": 120}))

    assert again.computed == ["evaluation", "figures", "registration", "gate"]
    assert {"imputers", "models", "figure-sweep"}.isdisjoint(again.shown)
    assert {"gate", "figure-importance", "summary"} <= again.shown


def test_mlflow_answers_as_the_api_does(first: Run, housing_frame: pd.DataFrame) -> None:
    import mlflow  # noqa: PLC0415 - takes seconds

    mlflow.set_tracking_uri(Settings().tracking_uri)
    rows = housing_frame.head(50)[list(COLUMNS)]
    model = mlflow.pyfunc.load_model(f"models:/housing-price/{first.result.version}")
    bundle = Bundle(fetch_bundle(open_releases(Settings()), first.result.bundle))
    whole = {"total_rooms": "int64", "total_bedrooms": "Int64", "ocean_proximity": "category"}

    found = model.predict(rows.astype(whole))
    without = model.predict(rows.drop(columns="total_bedrooms"))
    example = model.predict(model.input_example)

    np.testing.assert_array_equal(found["price"], bundle.predict(rows))
    np.testing.assert_array_equal(found[["lower", "upper"]], bundle.predict_interval(rows))
    assert found["warnings"].tolist() == bundle.warnings_for(to_matrix(rows))
    assert (without["price"] > 0).all()
    assert len(example) == 5
    with pytest.raises(mlflow.MlflowException, match=r"median_income, row 0: 83252.* must be"):
        model.predict(rows.assign(median_income=83_252))


def test_the_context_of_mlflows_image_is_whole_and_its_model_answers(
    first: Run, housing_frame: pd.DataFrame, tmp_path: Path
) -> None:
    import mlflow  # noqa: PLC0415 - takes seconds
    from mlflow.models.cli import generate_dockerfile  # noqa: PLC0415 - the same

    mlflow.set_tracking_uri(Settings().tracking_uri)
    model = f"models:/housing-price/{first.result.version}"
    words = ["--model-uri", model, "--output-directory", str(tmp_path)]
    generate_dockerfile.main(words, standalone_mode=False)
    recipe = (tmp_path / "Dockerfile").read_text()
    (folder,) = {path.parent for path in tmp_path.rglob("MLmodel")}
    ours = Path(housing_ml.__file__).parent
    modules = {path.relative_to(ours) for path in ours.rglob("*.py")}
    rows = housing_frame.head(20)[list(COLUMNS)]
    bundle = Bundle(fetch_bundle(open_releases(Settings()), first.result.bundle))

    assert f"FROM python:{platform.python_version()}-slim" in recipe
    assert re.findall(r"^COPY (\S+) ", recipe, re.MULTILINE) == [str(folder.relative_to(tmp_path))]
    assert not [path for path in tmp_path.rglob("*") if path.is_symlink()]
    for name in ("requirements.txt", "conda.yaml"):
        pinned = re.findall(r"([\w-]+)==[\d.]+$", (folder / name).read_text(), re.MULTILINE)
        assert sorted(pinned) == sorted(["mlflow", *_REQUIREMENTS])
    copied = folder / "code" / "housing_ml"
    assert {path.relative_to(copied) for path in copied.rglob("*") if path.is_file()} >= modules
    found = mlflow.pyfunc.load_model(str(folder)).predict(rows)
    np.testing.assert_array_equal(found["price"], bundle.predict(rows))


@pytest.mark.parametrize("way", ["moved", "copied", "restored"])
def test_a_home_elsewhere_has_the_registry_and_the_price(
    way: str,
    first: Run,
    home: Path,
    housing_frame: pd.DataFrame,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import mlflow  # noqa: PLC0415 - takes seconds

    monkeypatch.chdir(tmp_path)
    copy, rows = tmp_path / "a new place", housing_frame.head(20)[list(COLUMNS)]
    if way == "restored":
        back_up(home, tmp_path / "home.tgz")
        restore(tmp_path / "home.tgz", copy)
    else:
        shutil.copytree(home, copy)
    before = [path for path in home.rglob("*") if path.is_file()]
    if way == "moved":
        home.rename(tmp_path / "away")
    try:
        monkeypatch.setenv("HOUSING_HOME", str(copy))
        settings = Settings()
        assert settle_in(settings)
        assert not settle_in(settings)
        mlflow.set_tracking_uri(settings.tracking_uri)
        model = mlflow.pyfunc.load_model(f"models:/housing-price/{first.result.version}")
        bundle = Bundle(fetch_bundle(open_releases(settings), champion(settings).bundle))
        np.testing.assert_array_equal(model.predict(rows)["price"], bundle.predict(rows))
        if way == "copied":  # what is written now is the copy's
            again = run_retrain(small(gate={"bootstrap_samples": 210}), settings)
            assert again.bundle == first.result.bundle
    finally:
        if way == "moved":
            (tmp_path / "away").rename(home)

    assert [path for path in home.rglob("*") if path.is_file()] == before


def test_mlflow_has_the_run_with_a_nested_run_for_each_stage(first: Run) -> None:
    import mlflow  # noqa: PLC0415 - takes seconds

    client = mlflow.MlflowClient(Settings().tracking_uri)
    version = client.get_model_version_by_alias("housing-price", "champion")
    assert str(version.version) == first.result.version
    assert {
        "bundle_digest",
        "data_digest",
        "feature_fingerprint",
        "git_commit",
        "sweep",
        "synthetic",
    } <= set(version.tags)
    assert "CV wMAPE" in version.description
    run = client.get_run(version.run_id)
    assert run.data.metrics["rmse"] == pytest.approx(first.result.evaluation.metrics.rmse)
    assert {item.dataset.name for item in run.inputs.dataset_inputs} == {"raw", "train", "holdout"}
    nested = client.search_runs(
        [run.info.experiment_id], f"tags.mlflow.parentRunId = '{version.run_id}'"
    )
    assert {item.info.run_name for item in nested} == set(STAGES) - UNRECORDED
    files = {item.path for item in client.list_artifacts(version.run_id)}
    assert {"best_params.yaml", "model_config.yaml", "bundle", "figures", "tables"} <= files
    card = mlflow.artifacts.load_text(f"{run.info.artifact_uri}/model_card.md")
    assert "By segment" in card
    assert "| promotion |" in card


def test_without_an_account_each_trial_and_the_model_are_offline_runs(
    first: Run, home: Path
) -> None:
    runs = {path.stem for path in (home / "wandb").glob("offline-run-*/*.wandb")}

    trials = {name.split("-")[2] for name in runs if name.count("-") == 2}
    assert f"run-{first.result.bundle[:12]}" in runs
    assert trials == {"0", "1", "sweep"}


@pytest.mark.usefixtures("first")
def test_prices_from_feedback_replace_those_of_the_source(
    sample: Path, housing_frame: pd.DataFrame
) -> None:
    storage = open_releases(Settings())
    known = pd.read_csv(sample)
    others = housing_frame.drop(housing_frame.sample(2_000, random_state=7).index)
    ids = log(pd.concat([known.head(30), others.tail(20)]))
    FeedbackStore(storage).add([Feedback(name, 345_678.0) for name in ids])
    try:
        learned = Run(small(**FEW))
        again = Run(small(**FEW))
        without = Run(small(feedback={"days": 0}))
    finally:
        shutil.rmtree(Settings().releases_path / "feedback")

    assert learned.computed[:2] == ["merge", "split"]
    assert "20 new block groups, 30 with newer figures" in learned.result.summary
    assert again.computed == []
    assert list(without.stages) == STAGES


def test_a_rebuilt_registry_gets_the_model_again(first: Run, home: Path) -> None:
    (home / "mlflow.db").rename(home / "mlflow.old")
    try:
        again = Run(small())

        assert again.computed == ["registration"]
        assert again.result.bundle == first.result.bundle
    finally:
        (home / "mlflow.old").replace(home / "mlflow.db")


def test_a_worse_model_is_recorded_as_challenger_and_the_champion_stays(
    first: Run, housing_frame: pd.DataFrame
) -> None:
    import mlflow  # noqa: PLC0415 - takes seconds

    log(housing_frame.tail(200))
    tree = {"folds": 2, "candidates": [{"model": "decision_tree"}]}
    worse = Run(small(selection=tree, sweep={"trials": 0}))

    assert not worse.result.promoted
    assert "G09" in {check.code for check in worse.result.decision.checks if check.fix}
    assert champion(Settings()).bundle == first.result.bundle
    client = mlflow.MlflowClient(Settings().tracking_uri)
    challenger = client.get_model_version_by_alias("housing-price", "challenger")
    assert str(challenger.version) == worse.result.version
    last = history(open_releases(Settings()))[-1]
    assert last.kind == "rejection"
    assert "logged rows move" in str(last.evidence)
    _priced_what_was_asked_lately(worse, rows=200)


def _priced_what_was_asked_lately(run: Run, rows: int) -> None:
    found = run.result.decision.traffic
    assert found is not None
    assert (found.rows, found.compared, found.not_finite) == (rows, rows, 0)
    assert len(found.most_moved) == 10
    assert {"traffic", "most-moved"} <= run.shown
    page = Path(run.result.reports, "gate.md").read_text()
    assert f"| all | {rows} |" in page
    assert "The logged rows whose price moves most" in page
    assert "The logged rows whose price moves most" in run.result.summary


def test_a_candidate_faces_a_champion_that_an_older_version_published(
    first: Run, old_home: Path
) -> None:
    releases, old = open_releases(Settings()), LocalReleases(old_home / "storage" / "releases")
    now, published = champion(Settings()), read_channels(old)[0].channels["champion"]
    release = msgspec.structs.replace(published, version="0")
    publish_bundle(releases, release.bundle, fetch_bundle(old, release.bundle))

    def put(found: Release) -> None:
        generation = read_channels(releases)[1]
        move_channels(releases, lambda _: {"champion": found}, if_generation=generation)

    put(release)
    try:
        faced = Run(small())
    finally:
        put(now)
        set_alias("housing-price", "champion", now.version, Settings())

    assert faced.computed == ["gate"]
    assert faced.result.bundle == first.result.bundle
    assert not faced.result.promoted
    assert "G09" in {check.code for check in faced.result.decision.checks if check.fix}


def test_a_synthetic_model_never_replaces_one_of_real_data(
    first: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("housing_ml.data.synthetic.generate", partial(generate, rows=2_000))
    synthetic = Run(small(data={"synthetic": True}, **FEW | {"selection": SMALL["selection"]}))

    assert synthetic.result.synthetic
    assert "SYNTHETIC" in synthetic.result.summary.upper()
    assert not synthetic.result.promoted
    assert champion(Settings()).bundle == first.result.bundle


@pytest.mark.usefixtures("first")
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"longitude,latitude\n1,2\n", "housing_median_age"),
        (b"\x1f\x8b\x08", "compressed by gzip"),
    ],
)
def test_a_broken_source_stops_with_one_message_and_leaves_the_rest_untouched(
    content: bytes, message: str, tmp_path: Path
) -> None:
    before = _kept()
    broken = tmp_path / "broken.csv"
    broken.write_bytes(content)

    with pytest.raises((SourceError, ValueError), match=message):
        Run(small(data={"url": str(broken)}))

    assert _kept() == before


class Checkout:
    """A copy of the code, whose runs share the home of this one."""

    def __init__(self, folder: Path, config: Path) -> None:
        self.folder = folder
        self.config = config
        for package in (housing_ml, flows):
            source = Path(str(package.__file__)).parent
            shutil.copytree(source, folder / source.name)

    def edit(self, module: str, old: str, new: str) -> None:
        path = self.folder / "housing_ml" / module
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    def start(self, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "housing_ml.cli", *self._arguments()],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(self.folder), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def _arguments(self) -> list[str]:
        return ["retrain", "--config", str(self.config), "--json"]

    def computed(self) -> list[str]:
        with self.start() as process:
            _, progress = process.communicate(timeout=PATIENCE_SECONDS)
        assert process.returncode in (0, 3), progress
        lines = [line.split() for line in progress.splitlines()]
        return [line[0] for line in lines if len(line) > 1 and line[1] == "computed"]


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    config = tmp_path / "small.json"
    config.write_text(json.dumps(SMALL))
    return Checkout(tmp_path / "checkout", config)


@pytest.mark.usefixtures("first")
def test_an_edit_of_the_features_computes_them_and_what_follows_only(checkout: Checkout) -> None:
    checkout.edit("data/contract.py", "from __future__", "# a comment\nfrom __future__")
    checkout.edit("features/geography.py", "88.8", "88.7")
    computed = checkout.computed()
    assert {"features", "selection", "training", "evaluation"} <= set(computed)
    assert not {"ingestion", "split"} & set(computed)


def test_two_runs_at_once_from_nothing_end_well_with_the_model_of_the_first(
    first: Run, checkout: Checkout, tmp_path: Path
) -> None:
    nobody = tmp_path / "nobody"
    nobody.mkdir()
    places = {"HOUSING_HOME": str(tmp_path / "home"), "HOME": str(nobody), "WANDB_MODE": "offline"}
    places |= dict.fromkeys(at_home(nobody, {}), "")  # as where a person has set nothing
    places |= dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "http://127.0.0.1:9")
    places |= dict.fromkeys(unproxied({}), "")  # where all that is asked is on this machine

    with checkout.start(**places) as one, checkout.start(**places) as other:
        whole = 4 * PATIENCE_SECONDS  # that wait is for one step, and these are two retrains
        results = [process.communicate(timeout=whole) for process in (one, other)]

    if one.returncode or other.returncode:
        pytest.fail("\n\n".join(progress for _, progress in results))
    bundles = {json.loads(output)["bundle"] for output, _ in results}
    assert bundles == {first.result.bundle}
    assert not list(nobody.iterdir()), "a library wrote outside the home"


def _kept() -> dict[Path, bytes]:
    """Every file of the data, the stages' results and the releases."""
    folders = ("data", "results", "releases")
    paths = [path for name in folders for path in (Settings().storage_path / name).rglob("*")]
    return {path: path.read_bytes() for path in paths if path.is_file()}


def _size(path: Path) -> int:
    return path.stat().st_size
