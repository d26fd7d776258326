"""Every command of the documents does what a reader expects of it.

They run in a project folder of their own on few rows. What cannot run here is listed with the
reason, and is checked as far as that goes.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import msgspec
import pandas as pd
import pytest

import housing_ml
from benchmarks.server import Server
from housing_ml.bundle.manifest import Provenance
from housing_ml.config.choices import FeatureParameters
from housing_ml.config.modelling import TrainingConfig
from housing_ml.data.contract import TARGET, to_matrix
from housing_ml.releases.channels import (
    find_release,
    move_channels,
    publish_bundle,
    read_channels,
    record_release,
)
from housing_ml.releases.records import Event, Release, now
from housing_ml.storage.versioned import LocalReleases
from tests.documents import HERE, PROGRAMS, ROOT, STARTED, Command
from tests.once import train_once
from tests.terminal import in_terminal
from tests.waiting import PATIENCE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from housing_ml.bundle.model import Bundle

ALERT = 3
OPERATOR_KEY = "a-key-of-the-operators"

SMALL = [
    *("imputation.candidates=[median]", "imputation.repeats=1"),
    *("features.cluster_candidates=[0]", "features.folds=2"),
    *("selection.folds=2", "selection.candidates=[{model: ridge}]"),
    *("sweep.trials=0", "sweep.folds=2", "training.folds=2", "evaluation.bootstrap_samples=100"),
    *("gate.bootstrap_samples=200", "gate.max_rmse=200000", "gate.min_r2=0.1", "gate.max_mape=0.9"),
    *("gate.coverage_tolerance=0.2", "gate.max_cod=1", "gate.max_prd=2", "gate.max_prb=1"),
]


GIVEN = f"""
import functools
import pandas as pd
import housing_ml
from housing_ml.config.retrain import RetrainConfig

train_frame = pd.read_csv("housing.csv")
frame = pd.read_csv("block_groups.csv")
housing_ml.fit = functools.partial(housing_ml.fit, config=RetrainConfig.load(None, {SMALL}))
"""
"""What the programs in the documents take for granted; the config is a small one."""


def named(command: Command) -> str:
    return f"{command.document}: {' '.join(command.words)[:60]}"


class Project:
    """A reader's folder: the project's files, an environment, and a shell in it."""

    def __init__(self, folder: Path, data: Path) -> None:
        self.folder = folder
        self.typed: dict[Command, subprocess.CompletedProcess[str]] = {}
        """What the commands of the documents ended with."""
        for entry in ROOT.iterdir():
            if not entry.name.startswith("."):
                (folder / entry.name).symlink_to(entry)
        self._program("python", f'exec {sys.executable} "$@"')
        small = " ".join(f"--set {shlex.quote(value)}" for value in SMALL)
        self._program(
            "housing",
            f'case $1 in retrain|sweep) set -- "$@" {small} ;; esac\n'
            f'exec {sys.executable} -m housing_ml.cli "$@"',
        )
        (folder / ".venv" / "installed").touch()
        self.environment = os.environ | {
            "PYTHONPATH": str(folder),
            "PATH": f"{folder / '.venv' / 'bin'}:{os.environ['PATH']}",
            "HOUSING_DATA_URL": str(data),
            "HOUSING_HOME": str(folder / ".housing"),
            "OPERATOR_KEY": OPERATOR_KEY,
            "OMP_NUM_THREADS": "1",
            "WANDB_MODE": "disabled",
        }

    def _program(self, name: str, script: str) -> None:
        path = self.folder / ".venv" / "bin" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def run(self, text: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-o", "pipefail", "-c", text],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_SECONDS,
        )

    def publish(self, bundle: Bundle, version: str) -> Release:
        """Publish a bundle that passed the gate."""
        publish_bundle(self.releases, bundle.digest, bundle.files())
        champion = find_release(self.releases, "champion")
        found = msgspec.structs.replace(
            champion, version=version, bundle=bundle.digest, replaced=champion.bundle
        )
        record_release(self.releases, found)
        return found

    def release(self, bundle: Bundle) -> None:
        """Make a bundle the champion in the place of the one that is."""
        new = self.publish(bundle, "2")
        channels, generation = read_channels(self.releases)
        old = channels.channels["champion"]
        move_channels(
            self.releases,
            lambda found: {**found, "champion": new, "previous": old},
            if_generation=generation,
            event=Event(
                kind="promotion", version="2", bundle=new.bundle, at=now(), by="me", reason="newer"
            ),
        )

    @property
    def releases(self) -> LocalReleases:
        return LocalReleases(self.folder / ".housing" / "storage" / "releases")


def trained_on(kept: pytest.Cache, rows: pd.DataFrame, folds: int) -> Bundle:
    return train_once(
        kept,
        to_matrix(rows),
        rows[TARGET].to_numpy(),
        FeatureParameters(imputer="median", clusters=0),
        "ridge",
        {},
        TrainingConfig(folds=folds),
        Provenance(data_digest="d" * 64, rows=len(rows), synthetic=False),
    ).bundle


def write_other_forms(rows: pd.DataFrame, folder: Path) -> None:
    """Write the rows as scikit-learn and StatLib have them, and as these are once converted."""
    numbers = rows.drop(columns="ocean_proximity")
    numbers.to_csv(folder / "converted.csv", index=False)
    numbers.to_csv(folder / "cal_housing.data", index=False, header=False)
    averages = {
        "MedInc": numbers["median_income"],
        "HouseAge": numbers["housing_median_age"],
        "AveRooms": numbers["total_rooms"] / numbers["households"],
        "AveBedrms": numbers["total_bedrooms"] / numbers["households"],
        "Population": numbers["population"],
        "AveOccup": numbers["population"] / numbers["households"],
        "Latitude": numbers["latitude"],
        "Longitude": numbers["longitude"],
        "MedHouseVal": numbers[TARGET] / 100_000,
    }
    pd.DataFrame(averages).to_csv(folder / "california_housing.csv", index=False)


@pytest.fixture(scope="module")
def project(
    housing_frame: pd.DataFrame,
    prefect_server: str,  # noqa: ARG001 - the retrain runs on it
    tmp_path_factory: pytest.TempPathFactory,
    pytestconfig: pytest.Config,
) -> Iterator[Project]:
    """A project whose reader has trained a model, released another, and started the service."""
    folder = tmp_path_factory.mktemp("project")
    rows = housing_frame.sample(800, random_state=3)
    rows.to_csv(folder / "housing.csv", index=False)
    rows.drop(columns=TARGET).to_csv(folder / "block_groups.csv", index=False)
    rows.drop(columns=TARGET).to_parquet(folder / "block_groups.parquet")
    write_other_forms(rows, folder)
    project = Project(folder, folder / "housing.csv")
    trained = project.run("make run")
    assert trained.returncode == 0, trained.stdout + trained.stderr
    project.release(trained_on(pytestconfig.cache, rows, folds=2))
    project.publish(trained_on(pytestconfig.cache, rows, folds=3), "42")
    given = project.environment | {
        "HOUSING_SERVE_PORT": "{port}",
        "HOUSING_SERVE_OPERATOR_KEYS": f"me:{hashlib.sha256(OPERATOR_KEY.encode()).hexdigest()}",
    }
    with Server(["make", "serve"], given, folder=folder) as service:
        project.environment["SERVICE"] = service.url
        yield project


@pytest.fixture
def there(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """This process in the reader's folder, with the reader's environment."""
    for name, value in project.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(project.folder)


@pytest.fixture
def typed_there(
    project: Project,
    typed: Callable[..., subprocess.CompletedProcess[str]],
    there: None,  # noqa: ARG001 - what is typed runs there
) -> Callable[[str], subprocess.CompletedProcess[str]]:
    """Type a text in the project: a plain `housing` in this process, all else in a shell."""

    def run(text: str) -> subprocess.CompletedProcess[str]:
        words = shlex.split(text, comments=True)
        if words[0] != "housing":
            return project.run(text)
        small = [f"--set={value}" for value in SMALL] if words[1] == "sweep" else []
        return typed(*words[1:], *small)

    return run


def as_typed_here(command: Command, project: Project) -> str:
    """A command with the names that a reader fills in."""
    text = command.text
    for address in ("http://127.0.0.1:8000", "https://HOST"):
        text = text.replace(address, project.environment["SERVICE"])
    text = text.replace('"to": "41"', '"to": "2"')
    text = text.replace("--trials 50", "--trials 2")
    return text.replace("--trials 4 --workers 2", "--trials 2 --workers 1")


@pytest.mark.parametrize("command", HERE, ids=named)
def test_a_command_does_what_it_says(
    command: Command,
    project: Project,
    typed_there: Callable[[str], subprocess.CompletedProcess[str]],
) -> None:
    if is_started(command):
        return
    document = [other for other in HERE if other.document == command.document]
    for earlier in document[: document.index(command) + 1]:  # a reader comes from the top
        if earlier not in project.typed and not is_started(earlier):
            project.typed[earlier] = typed_there(as_typed_here(earlier, project))
    done, text = project.typed[command], command.text

    assert done.returncode in {0, ALERT} if "monitor" in text else done.returncode == 0, done.stderr
    assert "error" not in done.stdout.lower() or "monitor" in text, done.stdout
    if "/predict" in text:
        assert json.loads(done.stdout)["predictions"][0]["predicted_price"] > 0


def is_started(command: Command) -> bool:
    """Whether the fixture runs it."""
    return " ".join(command.words) in STARTED


@pytest.mark.usefixtures("there")
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_does_what_it_says(
    program: str, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = PROGRAMS[program].replace("http://127.0.0.1:8000", project.environment["SERVICE"])
    monkeypatch.setattr(housing_ml, "fit", housing_ml.fit)  # what is given changes it

    exec(compile(GIVEN + text, program, "exec"), {"__name__": "__main__"})  # noqa: S102


def example(language: str, project: Project) -> str:
    """The guide's program in a language, for the service of the test."""
    document = (ROOT / "docs" / "how-to" / "call-the-service.md").read_text()
    script = document.partition(f"```{language}\n")[2].partition("```")[0]
    return script.replace("http://127.0.0.1:8000", project.environment["SERVICE"])


@pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed")
def test_the_javascript_asks_for_the_price_that_the_api_gives(project: Project) -> None:
    script = example("js", project)

    done = project.run(f"node --input-type=module -e {shlex.quote(script)}")

    assert done.returncode == 0, done.stderr
    assert float(done.stdout) > 0


@pytest.mark.skipif(shutil.which("Rscript") is None, reason="R is not installed")
def test_the_r_program_asks_for_the_price_that_the_api_gives(project: Project) -> None:
    if project.run("Rscript -e 'library(httr); library(jsonlite)'").returncode:
        pytest.skip("R lacks httr or jsonlite: apt-get install r-cran-httr r-cran-jsonlite")

    done = project.run(f"Rscript -e {shlex.quote(example('r', project))}")

    assert done.returncode == 0, done.stderr
    assert float(done.stdout) > 0


def test_a_scoring_shows_rows_rate_and_stage_in_a_terminal_and_nothing_in_a_pipe(
    project: Project,
) -> None:
    command = ["bash", "-c", "housing score block_groups.csv in-a-terminal"]
    code, shown = in_terminal(command, project.environment, project.folder)
    piped = project.run("FORCE_COLOR=1 housing score block_groups.csv in-a-pipe")

    assert code == 0, shown
    assert "score" in shown
    assert "file 1 of 1" in shown
    assert "rows/s" in shown
    assert (piped.returncode, piped.stderr) == (0, "")
