"""What an older version has published goes on: served, gone back to, compared with, scored with."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Literal

import httpx
import numpy as np
import pandas as pd
import pytest

from benchmarks.server import Server
from deployments.cloud_run.verify import PLACE
from housing_ml.bundle.manifest import Provenance
from housing_ml.bundle.model import Bundle
from housing_ml.config.choices import FeatureParameters
from housing_ml.config.data import SplitConfig
from housing_ml.config.modelling import TrainingConfig
from housing_ml.data.contract import COLUMNS, TARGET, to_matrix
from housing_ml.data.split import identity_hash, is_held_out, split
from housing_ml.fingerprint import feature_fingerprint
from housing_ml.releases.champion import promote_version
from housing_ml.releases.channels import (
    fetch_bundle,
    publish_bundle,
    read_channels,
    record_release,
)
from housing_ml.releases.predictions import (
    champion_prices,
    only_unseen,
    predictions_name,
    published_predictions,
)
from housing_ml.releases.records import Release, TrainingData, now
from housing_ml.storage.versioned import LocalReleases
from tests.conftest import KEPT_PRICES, kept_storages
from tests.once import train_once
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from subprocess import CompletedProcess

HELD_OUT: dict[str, Literal["row", "place"]] = {"releases-0.1.0": "row", "releases-0.2.0": "place"}
"""By what the versions held rows out."""

oldest = pytest.mark.parametrize(
    "old_home", kept_storages()[:1], indirect=True, ids=lambda file: file.stem
)
"""For what is the same whichever version wrote it."""


@pytest.fixture
def releases(old_home: Path) -> LocalReleases:
    """The old release storage."""
    return LocalReleases(old_home / "storage" / "releases")


@pytest.fixture
def champion(releases: LocalReleases) -> Release:
    """The old champion."""
    return read_channels(releases)[0].channels["champion"]


@pytest.fixture
def rows(
    releases: LocalReleases,
    champion: Release,
    housing_frame: pd.DataFrame,
    kept: str,
) -> pd.DataFrame:
    """The README's block group and others, with the prices of the old version, in dollars."""
    published = published_predictions(releases, champion.bundle)
    assert published is not None
    known = published.set_index("identity")["predicted"]
    identity = identity_hash(housing_frame, salt="")
    priced = housing_frame.assign(predicted=known.reindex(identity).to_numpy())
    place = pd.DataFrame([PLACE]).assign(predicted=KEPT_PRICES[kept])
    return pd.concat([place, priced[:500]])[[*COLUMNS, "predicted"]].dropna(subset="predicted")


@pytest.fixture
def said(releases: LocalReleases, champion: Release) -> str:
    """What is to be said of it; nothing where its feature code is still that of today."""
    bundle = Bundle(fetch_bundle(releases, champion.bundle))
    if bundle.manifest.feature_fingerprint == feature_fingerprint():
        return ""
    return f"made by other feature code; {len(bundle.golden.raw):,} golden rows repeated"


@pytest.fixture
def housing(
    old_home: Path,
    typed: Callable[..., CompletedProcess[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., str]:
    """Type a command on the old home; return what it printed."""
    monkeypatch.setenv("HOUSING_HOME", str(old_home))
    monkeypatch.chdir(old_home)

    def run(*words: str) -> str:
        done = typed(*words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.fixture
def service(old_home: Path) -> Iterator[Server]:
    """The service of this version on the old home."""
    given = {"HOUSING_HOME": str(old_home), "HOUSING_SERVE_PORT": "{port}"}
    with Server([sys.executable, "-m", "serve"], given, folder=old_home) as running:
        yield running


@pytest.fixture(scope="module")
def newer(housing_frame: pd.DataFrame, pytestconfig: pytest.Config) -> Bundle:
    """A bundle of this version, of rows that no kept champion holds out."""
    held = [is_held_out(housing_frame, 0.2, "housing", by) for by in HELD_OUT.values()]
    training = housing_frame[~np.any(held, axis=0)][:3000]
    return train_once(
        pytestconfig.cache,
        to_matrix(training),
        training[TARGET].to_numpy(),
        FeatureParameters(imputer="median", clusters=0),
        "histogram_gradient_boosting",
        {"max_iter": 30, "learning_rate": 0.1},
        TrainingConfig(folds=2),
        Provenance(data_digest="d" * 64, rows=3000, synthetic=False),
    ).bundle


@pytest.fixture
def candidate(newer: Bundle, housing_frame: pd.DataFrame, kept: str) -> tuple[Bundle, pd.DataFrame]:
    """That bundle, and its prices of the holdout that the old champion had too."""
    holdout = housing_frame[is_held_out(housing_frame, 0.2, "housing", HELD_OUT[kept])]
    prices = {
        "identity": identity_hash(holdout, salt=""),
        "actual": holdout[TARGET],
        "predicted": newer.predict(holdout),
    }
    return newer, pd.DataFrame(prices)


def publish(releases: LocalReleases, candidate: tuple[Bundle, pd.DataFrame]) -> None:
    """Publish the candidate as version 2, as a retrain does."""
    bundle, prices = candidate
    publish_bundle(releases, bundle.digest, bundle.files())
    releases.write(predictions_name(bundle.digest), prices.to_parquet())
    record_release(
        releases,
        Release(
            version="2",
            bundle=bundle.digest,
            model=bundle.manifest.model,
            metrics={},
            data=TrainingData(digest="d" * 64, rows=3000, synthetic=False),
            promoted_at=now(),
            promoted_by="test",
            reason="test",
        ),
    )


@oldest
@pytest.mark.parametrize(
    ("command", "place"),
    [
        (("status", "--json"), "channels.json"),
        (("history",), "history/*.json"),
        (("rollback", "--why", "test", "--to", "2"), "versions/2-*.json"),
    ],
)
def test_what_a_newer_version_wrote_is_refused_with_what_it_needs(
    releases: LocalReleases,
    candidate: tuple[Bundle, pd.DataFrame],
    old_home: Path,
    typed: Callable[..., CompletedProcess[str]],
    monkeypatch: pytest.MonkeyPatch,
    command: tuple[str, ...],
    place: str,
) -> None:
    publish(releases, candidate)
    for file in releases.root.glob(place):
        document = json.loads(file.read_bytes()) | {"format": 99, "needs": "9.0.0"}
        file.write_text(json.dumps(document))
    monkeypatch.setenv("HOUSING_HOME", str(old_home))
    monkeypatch.chdir(old_home)
    done = typed(*command)
    assert done.returncode == 1
    said = " ".join(done.stderr.split())
    assert "format 99, but this code reads format 1: it needs a newer version" in said
    assert "install housing-ml 9.0.0, or a later one" in said


def ask(service: Server, rows: pd.DataFrame) -> tuple[str, list[float]]:
    """Return which version answers, and its prices in dollars and cents."""
    given = rows[[*COLUMNS]].astype(object)
    body = {"instances": given.where(given.notna(), None).to_dict("records")}
    answer = httpx.post(f"{service.url}/api/v1/predict", json=body).raise_for_status().json()
    prices = [round(found["predicted_price"], 2) for found in answer["predictions"]]
    return answer["model_version"], prices


def cents(rows: pd.DataFrame) -> list[float]:
    return rows["predicted"].round(2).tolist()


def test_the_champion_of_an_older_version_is_served_and_everybody_is_told(
    service: Server, housing: Callable[..., str], rows: pd.DataFrame, said: str
) -> None:
    assert ask(service, rows) == ("1", cents(rows))
    told = httpx.get(f"{service.url}/health/deep").json()["dependencies"]["model"]
    assert told["state"] == "ok"
    assert told["detail"] == "; ".join(["version 1 answers", *filter(None, [said])])
    assert said in service.output
    assert json.loads(housing("status", "--json"))["champion"].get("feature_code", "") == said
    told = housing("status", "--url", service.url)
    assert ("made by other feature code" in told) == bool(said)


def test_where_the_same_code_is_required_everybody_is_told_that_it_is_refused(
    old_home: Path, housing: Callable[..., str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not said:
        pytest.skip("its feature code is still that of today")
    monkeypatch.setenv("HOUSING_REQUIRE_SAME_CODE", "true")
    given = {"HOUSING_HOME": str(old_home), "HOUSING_SERVE_PORT": "{port}"}
    reason = "the features were computed by other code"
    command = [sys.executable, "-m", "serve"]
    with Server(command, given, folder=old_home, ready="/health/live") as strict:
        until(lambda: reason in httpx.get(f"{strict.url}/health/deep").text)
        assert httpx.get(f"{strict.url}/health/ready").status_code == 503
        assert reason in strict.output
    told = json.loads(housing("status", "--json"))["champion"]["feature_code"]
    assert told.startswith("refused here: ")
    assert reason in told


def test_a_roll_back_to_an_older_version_is_followed(
    releases: LocalReleases,
    service: Server,
    housing: Callable[..., str],
    candidate: tuple[Bundle, pd.DataFrame],
    rows: pd.DataFrame,
) -> None:
    publish(releases, candidate)
    promote_version(releases, "2", why="test", by="test")
    until(lambda: ask(service, rows)[0] == "2")
    housing("rollback", "--why", "the new one is wrong")
    until(lambda: ask(service, rows) == ("1", cents(rows)))
    events = json.loads(housing("history", "--json"))
    assert [event["kind"] for event in events] == ["promotion", "promotion", "rollback"]


def test_an_older_champion_is_held_to_no_row_that_it_was_trained_on(
    releases: LocalReleases, housing_frame: pd.DataFrame, champion: Release, kept: str
) -> None:
    _, holdout, _ = split(housing_frame, SplitConfig())
    found = only_unseen(holdout, np.ones(len(holdout)), champion.bundle, releases)

    unseen = is_held_out(holdout, 0.2, "housing", HELD_OUT[kept])
    np.testing.assert_array_equal(~np.isnan(found), unseen)
    assert unseen.sum() > 700


def test_a_new_candidate_is_compared_with_the_champion_of_an_older_version(
    releases: LocalReleases,
    housing: Callable[..., str],
    candidate: tuple[Bundle, pd.DataFrame],
    champion: Release,
    kept: str,
) -> None:
    publish(releases, candidate)
    found = json.loads(housing("compare", "2", "champion", "--json"))
    assert found["rows"] == len(candidate[1]) == {"row": 4058, "place": 4170}[HELD_OUT[kept]]
    assert found["second"]["version"] == champion.version
    assert found["second"]["metrics"]["rmse"] == pytest.approx(champion.metrics["rmse"])


def test_the_gate_asks_the_champion_of_an_older_version_for_its_prices(
    releases: LocalReleases, housing_frame: pd.DataFrame, champion: Release
) -> None:
    _, holdout, _ = split(housing_frame, SplitConfig())
    raw, identity = to_matrix(holdout), identity_hash(holdout, salt="")
    prices = champion_prices(identity, raw, champion.bundle, releases)
    (releases.root / predictions_name(champion.bundle)).unlink()
    np.testing.assert_array_equal(prices, champion_prices(identity, raw, champion.bundle, releases))
    assert not np.isnan(prices).any()


@oldest
def test_a_file_is_scored_with_the_champion_of_an_older_version(
    old_home: Path,
    housing: Callable[..., str],
    rows: pd.DataFrame,
    prefect_server: str,  # noqa: ARG001 - the scoring runs on it
) -> None:
    file, target = old_home / "rows.csv", old_home / "scored"
    rows[[*COLUMNS]].to_csv(file, index=False)
    housing("predict", str(file), "--out", str(old_home / "predicted.csv"))
    housing("score", str(file), str(target))
    parts = [pd.read_csv(part) for part in sorted(target.rglob("*.csv"))]
    for prices in (pd.read_csv(old_home / "predicted.csv"), pd.concat(parts)):
        assert prices["predicted_price"].round(2).tolist() == cents(rows)
