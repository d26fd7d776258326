"""Parts of releases that several tests need: records of a trained model, without its training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

from housing_ml.bundle.manifest import Provenance, sha256
from housing_ml.config.choices import FeatureParameters
from housing_ml.config.data import SplitConfig
from housing_ml.config.modelling import TrainingConfig
from housing_ml.data.contract import NUMERIC
from housing_ml.data.split import split
from housing_ml.modelling.metrics import METRIC_NAMES
from housing_ml.records.equity import EVERYWHERE, Equity, Ratios
from housing_ml.records.evaluation import Evaluation, EvaluationResult, PlaceFigures, PlaceSide
from housing_ml.records.gate import GateDecision
from housing_ml.records.metrics import Interval as Ends
from housing_ml.records.metrics import Metrics
from housing_ml.records.retrain import RegisteredVersion
from housing_ml.records.training import BundleRef, TrainingResult
from housing_ml.storage.store import open_store
from tests.housing_ml.monitored_service import Rows
from tests.once import train_once
from tests.untrained_bundle import bundle_files

if TYPE_CHECKING:
    from collections.abc import Callable

    from housing_ml.bundle.model import Bundle
    from housing_ml.settings import Settings


PLACES = PlaceFigures(known=PlaceSide(rows=0, metrics=None), new=PlaceSide(rows=0, metrics=None))


class Trained(NamedTuple):
    """What `promote` and `reject` take of the stages before."""

    registered: RegisteredVersion
    trained: TrainingResult
    evaluated: EvaluationResult
    decision: GateDecision

    @property
    def bundle(self) -> str:
        return self.registered.bundle_digest


def _evaluation(rows: int) -> Evaluation:
    values = dict.fromkeys(METRIC_NAMES, 0.1) | {"rmse": 38_700.0, "mae": 25_000.0, "r2": 0.887}
    return Evaluation(
        rows=rows,
        metrics=Metrics(**values),
        intervals={name: Ends(value, value) for name, value in values.items()},
        coverage=0.9,
        mean_width=1.0,
        slices=(),
        equity=(
            Equity(part=EVERYWHERE, **_ratios(rows)),
            Equity(part="fresno", trimmed=Ratios(**_ratios(9, prb=-0.04)), **_ratios(10, prb=-0.3)),
        ),
    )


def _ratios(rows: int, prb: float = -0.03) -> dict[str, Any]:
    figures = {"cod": 0.13, "prd": 1.02, "prb": prb}
    ends = {name: Ends(value - 0.01, value + 0.01) for name, value in figures.items()}
    return {"rows": rows, "intervals": ends, **figures}


def trained_version(
    settings: Settings, version: str, prices: Any = (1.0, 2.0), *, passed: bool = True
) -> Trained:
    store, files = open_store(settings), bundle_files(version)
    digest = sha256(files["manifest.json"])
    frame = pd.DataFrame({"actual": [1.0] * len(prices), "predicted": prices})
    frame.insert(0, "identity", pd.Series(range(len(prices)), dtype="uint64"))
    frame = frame.assign(**dict.fromkeys(NUMERIC, 1.0), ocean_proximity="INLAND")
    bundle = BundleRef(
        digest=digest,
        files={name: store.put_bytes(content, f"-{name}") for name, content in files.items()},
        model="ridge",
        feature_fingerprint="f",
        interval_level=0.9,
        data_digest="d",
        rows=1,
        synthetic=False,
    )
    return Trained(
        RegisteredVersion(name="housing-price", version=version, run_id="r", bundle_digest=digest),
        TrainingResult(
            places=PLACES, bundle=bundle, pipeline=store.put_bytes(b"pipeline", ".skops")
        ),
        EvaluationResult(
            evaluation=_evaluation(len(prices)),
            places=PLACES,
            skew=0,
            predictions=store.put_frame(frame),
            importances=(),
        ),
        GateDecision(promote=passed, checks=(), reasons=("better" if passed else "worse",)),
    )


@pytest.fixture(scope="session")
def make_version() -> Callable[..., Trained]:
    """Make the records of a trained version; the same version has the same bundle."""
    return trained_version


@pytest.fixture(scope="session")
def make_bundle() -> Callable[[str], str]:
    """Return the digest of a version's bundle."""
    return lambda version: sha256(bundle_files(version)["manifest.json"])


@pytest.fixture(scope="session")
def make_files() -> Callable[[str], dict[str, bytes]]:
    """Make the files of a version's bundle."""
    return bundle_files


class CaliforniaModel(NamedTuple):
    """A small model of all training rows, and the rows of both sides."""

    bundle: Bundle
    train: Rows
    holdout: Rows

    @property
    def all_rows(self) -> Rows:
        """What a service for all of California is asked for."""
        return Rows(*(np.concatenate(pair) for pair in zip(self.train, self.holdout, strict=True)))


@pytest.fixture(scope="session")
def california(housing_frame: pd.DataFrame, pytestconfig: pytest.Config) -> CaliforniaModel:
    """A small model of all training rows: its neighbour statistics are those of any size."""
    train_frame, holdout, _ = split(housing_frame, SplitConfig())
    rows = Rows.of(train_frame)
    trained = train_once(
        pytestconfig.cache,
        *rows,
        FeatureParameters(imputer="median", clusters=0),
        "histogram_gradient_boosting",
        {"max_iter": 100, "learning_rate": 0.1},
        TrainingConfig(folds=3),
        Provenance(data_digest="d" * 64, rows=len(rows.raw), synthetic=False),
    )
    return CaliforniaModel(trained.bundle, rows, Rows.of(holdout))
