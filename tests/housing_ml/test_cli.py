"""The command speaks to people in words, and to scripts in JSON and exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import pandas as pd
import pytest

from housing_ml import cli
from housing_ml.bundle.manifest import Provenance
from housing_ml.config.choices import FeatureParameters
from housing_ml.config.modelling import TrainingConfig
from housing_ml.data.contract import TARGET, to_matrix
from housing_ml.releases.channels import move_channels, open_releases, publish_bundle
from housing_ml.releases.records import Release
from housing_ml.settings import Settings
from tests.once import train_once

if TYPE_CHECKING:
    from pathlib import Path

    from housing_ml.bundle.model import Bundle

METRICS = ("rmse", "mae", "r2", "mape", "wmape", "coverage")


class Answer(NamedTuple):
    code: object
    output: str
    error: str

    @property
    def document(self) -> Any:
        return json.loads(self.output)


Housing = Callable[..., Answer]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOUSING_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def bundle(housing_frame: pd.DataFrame, pytestconfig: pytest.Config) -> Bundle:
    rows = housing_frame.sample(800, random_state=3)
    return train_once(
        pytestconfig.cache,
        to_matrix(rows),
        rows[TARGET].to_numpy(),
        FeatureParameters(imputer="median", clusters=0),
        "ridge",
        {},
        TrainingConfig(folds=2),
        Provenance(data_digest="d" * 64, rows=800, synthetic=False),
    ).bundle


@pytest.fixture
def published(bundle: Bundle) -> Bundle:
    storage = open_releases(Settings())
    publish_bundle(storage, bundle.digest, bundle.files())
    release = {
        "version": "7",
        "bundle": bundle.digest,
        "model": "ridge",
        "metrics": dict.fromkeys(METRICS, 0.5),
        "data": {"digest": "d" * 64, "rows": 800, "synthetic": False},
        "promoted_at": "2026-01-01T00:00:00+00:00",
        "promoted_by": "someone",
        "reason": "first",
    }
    champion = msgspec.convert(release, Release)
    move_channels(storage, lambda _: {"champion": champion}, if_generation=0)
    return bundle


@pytest.fixture
def housing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Housing:
    def run(*words: str) -> Answer:
        monkeypatch.setattr(sys, "argv", ["housing", *words])
        with pytest.raises(SystemExit) as end:
            cli.main()
        return Answer(end.value.code or 0, *capsys.readouterr())

    return run


def test_help_names_every_command_and_imports_no_heavy_library() -> None:
    script = """
import sys
from housing_ml.cli import app
try:
    app(["--help"])
except SystemExit:
    pass
print(*sorted({"prefect", "mlflow", "sklearn", "pandas", "litestar"} & set(sys.modules)))
"""
    found = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout

    assert not found.splitlines()[-1].strip()
    for name in ("retrain", "status", "predict", "serve", "config", "rollback", "history"):
        assert f" {name} " in found


def test_the_schema_of_the_config_has_defaults_bounds_and_help_texts(housing: Housing) -> None:
    answer = housing("config", "--schema")

    trials = answer.document["$defs"]["SweepConfig"]["properties"]["trials"]
    assert (answer.code, trials["minimum"]) == (0, 0)
    assert trials["default"] > 0
    assert trials["description"]


def test_a_config_shows_what_was_set(housing: Housing) -> None:
    assert housing("config", "--set", "sweep.trials=3").document["sweep"]["trials"] == 3


@pytest.mark.parametrize(
    ("words", "field"),
    [
        (("retrain", "--set", "sweep.trials=-1"), "sweep.trials"),
        (("retrain", "--set", "sweep.tries=1"), "sweep.tries"),
        (("sweep", "--workers", "0", "--driver", "optuna"), "sweep.workers"),
        (("retrain", "--config", "nowhere.yaml"), "nowhere.yaml"),
        (("predict", "nowhere.csv"), "champion"),
    ],
)
def test_what_cannot_be_done_is_one_message_that_names_the_field(
    housing: Housing, words: tuple[str, ...], field: str
) -> None:
    answer = housing(*words)

    assert answer.code == 1
    assert field in answer.error
    assert "Traceback" not in answer.error
    assert not answer.output


def test_status_without_a_champion_says_what_to_type(housing: Housing) -> None:
    assert housing("status", "--json").document == {"champion": None}
    answer = housing("status")
    assert answer.code == 1
    assert "make run" in answer.error


@pytest.mark.usefixtures("published")
def test_status_tells_scripts_version_model_metrics_and_data(housing: Housing) -> None:
    champion = housing("status", "--json").document["champion"]

    assert (champion["version"], champion["model"]) == ("7", "ridge")
    assert set(METRICS) <= champion["metrics"].keys()
    assert champion["data"] == {"digest": "d" * 64, "rows": 800, "synthetic": False}


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_predict_adds_price_and_interval_to_each_row(
    housing: Housing, published: Bundle, housing_frame: pd.DataFrame, tmp_path: Path, suffix: str
) -> None:
    rows = housing_frame.head(20).drop(columns=TARGET)
    rows.to_csv(tmp_path / "rows.csv", index=False)

    assert housing("predict", "rows.csv", "--out", f"prices{suffix}").code == 0

    read = pd.read_csv if suffix == ".csv" else pd.read_parquet
    found = read(tmp_path / f"prices{suffix}")
    assert found["predicted_price"].tolist() == published.predict(rows).round(2).tolist()
    assert (found["lower"] <= found["upper"]).all()


@pytest.mark.usefixtures("published")
def test_predict_names_each_value_that_breaks_the_contract(
    housing: Housing, housing_frame: pd.DataFrame, tmp_path: Path
) -> None:
    rows = housing_frame.head(3).assign(population=[1.0, -5.0, 3.0])
    rows.to_csv(tmp_path / "rows.csv", index=False)

    answer = housing("predict", "rows.csv")

    assert answer.code == 1
    assert "row 1, population: -5.0" in answer.error


@pytest.mark.usefixtures("published")
def test_predict_leaves_what_is_not_ours_as_it_came(
    housing: Housing, housing_frame: pd.DataFrame, tmp_path: Path
) -> None:
    cells = [
        "060670011011",
        "00501",
        "12345678901234567890",
        "2.00",
        "true",
        "NA",
        "nan",
        '"a ""b"""',
    ]
    rows = housing_frame.head(len(cells)).assign(note=cells).to_csv(index=False, quoting=3)
    (tmp_path / "rows.csv").write_text(rows)

    answer = housing("predict", "rows.csv", "--out", "prices.csv")

    found = (tmp_path / "prices.csv").read_text().splitlines()
    assert answer.code == 0
    assert all(map(str.startswith, found, rows.splitlines()))


@pytest.mark.usefixtures("published")
def test_predict_takes_the_names_of_files_in_any_case(
    housing: Housing, housing_frame: pd.DataFrame, tmp_path: Path
) -> None:
    housing_frame.head(3).rename(columns=str.upper).to_csv(tmp_path / "rows.csv", index=False)

    assert housing("predict", "rows.csv", "--out", "prices.PARQUET").code == 0
    found = pd.read_parquet(tmp_path / "prices.PARQUET")
    assert "LONGITUDE" in found
    for out, words in (("prices.txt", "ends with"), ("nowhere/prices.csv", "cannot be written")):
        answer = housing("predict", "rows.csv", "--out", out)
        assert answer.code == 1
        assert words in answer.error
