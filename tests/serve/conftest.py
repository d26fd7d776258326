"""Real bundles, real releases, and the service in real processes."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx
import pytest

from benchmarks.server import Server
from housing_ml.bundle.manifest import Provenance
from housing_ml.config.choices import FeatureParameters
from housing_ml.config.data import SplitConfig
from housing_ml.config.modelling import TrainingConfig
from housing_ml.data.contract import COLUMNS, TARGET, Matrix, to_matrix
from housing_ml.data.split import split
from housing_ml.releases.channels import (
    CHANNELS,
    move_channels,
    publish_bundle,
    read_channels,
    record_release,
)
from housing_ml.releases.records import Release, TrainingData, now
from housing_ml.rollout.canary import start_canary, start_shadow
from housing_ml.storage.versioned import LocalReleases
from tests.once import train_once
from tests.waiting import PATIENCE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import pandas as pd

    from housing_ml.bundle.model import Bundle
    from housing_ml.modelling.training import TrainedModel
    from housing_ml.rollout.canary import Probation

PREFIX = "HOUSING_SERVE_"


class Home:
    """A home folder: what was published there, and the services that follow it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.releases = LocalReleases(path / "storage" / "releases")
        self.channels_file = self.releases.root / CHANNELS

    def publish(self, bundle: Bundle, version: str) -> Release:
        """Publish a bundle and make it the champion."""
        release = self.publish_files(bundle.files(), bundle.digest, version)
        self.promote(release)
        return release

    def publish_files(self, files: dict[str, bytes], digest: str, version: str) -> Release:
        """Publish a bundle's files only."""
        publish_bundle(self.releases, digest, files)
        return Release(
            version=version,
            bundle=digest,
            model="histogram_gradient_boosting",
            metrics={"rmse": 50_000.0},
            data=TrainingData(digest="d" * 64, rows=2000, synthetic=False),
            promoted_at=now(),
            promoted_by="test",
            reason="test",
        )

    def promote(self, release: Release) -> None:
        """Make it the champion."""
        _, generation = read_channels(self.releases)
        move_channels(
            self.releases,
            lambda channels: {**channels, "champion": release},
            if_generation=generation,
        )

    def try_out(
        self, probation: Probation, bundle: Bundle, version: str, share: float = 0.5
    ) -> Release:
        """Publish a bundle and start it as the canary or the shadow."""
        release = self.publish_files(bundle.files(), bundle.digest, version)
        record_release(self.releases, release)
        if probation == "canary":
            return start_canary(self.releases, version, share, why="test", by="test")
        return start_shadow(self.releases, version, why="test", by="test")


class Service(Server):
    """One running service, and a client for it."""

    def __init__(self, home: Path, *, ready: str = "/health/ready", **settings: Any) -> None:
        given = {PREFIX + name.upper(): str(value) for name, value in settings.items()}
        super().__init__(
            [sys.executable, "-m", "serve"],
            {"HOUSING_HOME": str(home), PREFIX + "PORT": "{port}", "OMP_NUM_THREADS": "1"} | given,
            folder=home,
            ready=ready,
        )
        self.client = self.new_client()

    def new_client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=PATIENCE_SECONDS)

    def predict(self, instances: list[dict[str, Any]], **options: Any) -> httpx.Response:
        return self.client.post("/api/v1/predict", json={"instances": instances}, **options)

    def deep(self) -> dict[str, Any]:
        found: dict[str, Any] = self.client.get("/health/deep").json()
        return found

    def version(self) -> str:
        return str(self.client.get("/api/v1/model").json()["model_version"])

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples that have the labels."""
        samples = (
            line.rpartition(" ")
            for line in self.client.get("/metrics").text.splitlines()
            if line.partition("{")[0].partition(" ")[0] == name
        )
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        return sum(float(value) for key, _, value in samples if all(part in key for part in wanted))

    def stop(self, number: int = 15) -> None:
        if hasattr(self, "client"):
            self.client.close()
        super().stop(number)


class Models(NamedTuple):
    """Two models of different opinions, and the rows that neither was trained on."""

    first: TrainedModel
    second: TrainedModel
    holdout: pd.DataFrame

    @property
    def raw(self) -> Matrix:
        return to_matrix(self.holdout)


@pytest.fixture(scope="session")
def models(housing_frame: pd.DataFrame, pytestconfig: pytest.Config) -> Models:
    training, holdout, _ = split(housing_frame, SplitConfig())
    kept = pytestconfig.cache
    first, second = _train(kept, training[:2000], 30), _train(kept, training[2000:4000], 10)
    return Models(first, second, holdout)


def _train(kept: pytest.Cache, frame: pd.DataFrame, iterations: int) -> TrainedModel:
    return train_once(
        kept,
        to_matrix(frame),
        frame[TARGET].to_numpy(),
        FeatureParameters(imputer="median", clusters=5),
        "histogram_gradient_boosting",
        {"max_iter": iterations, "learning_rate": 0.1},
        TrainingConfig(folds=2),
        Provenance(data_digest="d" * 64, rows=len(frame), synthetic=False),
    )


@pytest.fixture(scope="session")
def instances(models: Models) -> list[dict[str, Any]]:
    """Every held-out row as a caller would send it."""
    rows = models.holdout[list(COLUMNS)].astype(object)
    values = rows.where(rows.notna(), None).to_numpy().tolist()
    return [dict(zip(COLUMNS, row, strict=True)) for row in values]


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory, models: Models) -> Home:
    """A home with the first model as the champion, version 1."""
    found = Home(tmp_path_factory.mktemp("home"))
    found.publish(models.first.bundle, "1")
    return found


@pytest.fixture
def own_home(tmp_path: Path, models: Models) -> Home:
    """A home whose champion is version 1, and that no other test looks at."""
    found = Home(tmp_path)
    found.publish(models.first.bundle, "1")
    return found


@pytest.fixture(scope="session")
def service(home: Home) -> Iterator[Service]:
    """A service on `home` with the settings as they are; its model stays."""
    with Service(home.path) as found:
        yield found


@pytest.fixture
def start(home: Home) -> Iterator[Callable[..., Service]]:
    """Starts services on `home` with settings of their own; they end with the test."""
    started: list[Service] = []

    def start(path: Path | None = None, **settings: Any) -> Service:
        started.append(Service(path or home.path, **settings))
        return started[-1]

    yield start
    for found in started:
        found.stop()


@pytest.fixture(autouse=True, scope="session")
def _no_settings_from_outside() -> None:
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        del os.environ[name]
