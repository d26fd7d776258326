"""One caller with a fiftieth of the traffic wishes the model ill, for half a year.

By predictions and feedback alone it moves next to nothing, and decides nothing: through the real
log, feedback, learning and gate.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np
import pytest

from flows import tasks
from housing_ml.bundle.stored import load_stored
from housing_ml.config.choices import FeatureParameters
from housing_ml.config.data import SplitConfig
from housing_ml.config.feedback import FeedbackConfig
from housing_ml.config.gate import GateConfig
from housing_ml.config.modelling import EvaluationConfig, TrainingConfig
from housing_ml.config.release import Autonomy
from housing_ml.data.contract import PLACE, TARGET, to_matrix
from housing_ml.feedback.actual_prices import Batch, Feedback
from housing_ml.records.gate import Baseline, Circumstances
from housing_ml.releases.channels import open_releases, publish_bundle
from housing_ml.releases.predictions import predictions_name
from housing_ml.settings import Settings
from housing_ml.storage.store import open_store
from serve.prediction_log import parquet
from serve.prediction_log.segments import Entry, to_columns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pandas as pd

    from housing_ml.bundle.model import Bundle
    from housing_ml.records.gate import GateDecision
    from housing_ml.records.ingestion import MergeResult
    from housing_ml.records.refs import DatasetRef
    from housing_ml.records.training import TrainingResult

WEEKS = 26
HONEST = ("anna", "bert", "carl")
SOURCE = 2_500
"""Block groups that are nearest to the README's house."""

WEEKLY = 200
"""Predictions of an honest caller in a week; the adversary makes a fiftieth of all."""

ODDS = 0.02
MODEL = (FeatureParameters(imputer="median", clusters=0), "histogram_gradient_boosting")


class Outcome(NamedTuple):
    """What came of half a year: the price of the README's house in dollars, and the verdict."""

    price: float
    verdict: tuple[bool, bool]
    """Whether it is promoted, and whether a person is asked."""


def dearer(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows at half as much again, with figures as of poor people."""
    poor = {"median_income": rows["median_income"] * 0.9, "total_bedrooms": np.nan}
    return rows.assign(**{TARGET: rows[TARGET] * 1.5}, **poor)


def cheap_and_new(rows: pd.DataFrame) -> pd.DataFrame:
    """Block groups that nobody knows, in the same spot, at half the price."""
    return rows.assign(
        **{TARGET: rows[TARGET] * 0.5}, total_rooms=(rows["total_rooms"] * 1.3).round()
    )


def a_little(rows: pd.DataFrame) -> pd.DataFrame:
    """What looks like chance, always in one direction."""
    return rows.assign(**{TARGET: rows[TARGET] * 1.03})


class World:
    """A champion, its source, and a service that logs what its callers ask and tell."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self.house = frame.iloc[[0]]
        away = frame[[*PLACE]].to_numpy() - self.house[[*PLACE]].to_numpy()
        near = np.argsort(np.linalg.norm(away, axis=1), kind="stable")
        self.rows = frame.iloc[near[:SOURCE]].reset_index(drop=True)
        self.storage = open_releases(Settings())
        self.store = open_store(Settings())
        self.source = self.store.put_frame(self.rows)
        self.baseline = self._publish()

    @cache  # noqa: B019 - the one world of this module
    def attack(self, invent: Callable[[pd.DataFrame], pd.DataFrame] | None) -> MergeResult:
        """Let half a year pass, with an adversary or without; return the rows to learn from."""
        for folder in [*self.storage.folders("feedback"), *self.storage.folders("predictions")]:
            for name in self.storage.names(folder):
                self.storage.delete(name)
        random = np.random.default_rng(0)
        for week in range(WEEKS):
            moment = datetime.now(UTC) - timedelta(days=7 * (WEEKS - week) - 3)
            for caller in HONEST:
                seen = self.rows.sample(WEEKLY, random_state=random)
                noise = np.exp(random.normal(0, 0.05, WEEKLY))
                self._tell(moment, caller, seen.assign(**{TARGET: seen[TARGET] * noise}))
            if invent:
                size = round(ODDS * WEEKLY * len(HONEST) / (1 - ODDS))
                told = self.rows[: WEEKS * size].sample(size, random_state=random)
                self._tell(moment + timedelta(hours=1), "mallory", invent(told))
        return tasks.merge.fn(self.source, tasks.feedback.fn(FeedbackConfig()))

    def _tell(self, moment: datetime, caller: str, rows: pd.DataFrame) -> None:
        ids = [f"{caller}-{moment.date()}-{row}" for row in range(len(rows))]
        price = self.champion.predict_matrix(to_matrix(rows))
        numbers = np.column_stack([to_matrix(rows), *price]).tobytes()
        entry = Entry(moment.timestamp(), "1", "champion", ids, numbers)
        day = f"date={moment.date()}"
        self.storage.write(
            f"predictions/{day}/{caller}.parquet", parquet.encode(to_columns([entry]))
        )
        items = tuple(map(Feedback, ids, rows[TARGET].tolist()))
        batch = Batch(moment.timestamp(), items, caller)
        self.storage.write(f"feedback/{day}/{caller}.json", msgspec.json.encode(batch))

    def judge(self, merged: MergeResult) -> Outcome:
        """Train on the rows, and let the gate judge."""
        trained, decision = self._train(merged.data, merged)
        price = float(load_stored(self.store, trained.bundle).predict(self.house)[0])
        return Outcome(price, (decision.promote, decision.ask))

    def near(self, merged: MergeResult) -> float:
        """The mean logarithm of price over source's, of the 100 block groups at the house."""
        rows = self.store.get_frame(merged.data)
        both = self.rows[:100].merge(rows, on=[*PLACE, "households"])
        return float(np.log(both[f"{TARGET}_y"] / both[f"{TARGET}_x"]).mean())

    def _train(
        self, data: DatasetRef, merged: MergeResult | None = None
    ) -> tuple[TrainingResult, GateDecision]:
        sides = tasks.split.fn(data, SplitConfig())
        trained = tasks.training.fn(
            sides.train,
            *MODEL,
            {"max_iter": 40},
            TrainingConfig(folds=2),
            source=self.source,
            sides=SplitConfig(),
            synthetic=False,
        )
        config = EvaluationConfig(bootstrap_samples=100)
        evaluated = tasks.evaluation.fn(trained, sides.train, sides.holdout, config)
        circumstances = Circumstances(
            baseline=self.baseline if merged else None,
            withdrawn=None,
            code=None,
            replaced_share=merged.changed_share if merged else 0.0,
            moves=merged.moves if merged else (),
        )
        self.predictions = self.store.get_frame(evaluated.predictions)
        judged = (
            sides.holdout,
            circumstances,
            GateConfig(bootstrap_samples=200),
            SplitConfig(),
            Autonomy(),
        )
        return trained, tasks.gate.fn(trained, evaluated, *judged)

    def _publish(self) -> Baseline:
        trained, _ = self._train(self.source)
        self.champion: Bundle = load_stored(self.store, trained.bundle)
        publish_bundle(self.storage, self.champion.digest, self.champion.files())
        name = predictions_name(self.champion.digest)
        self.storage.write(name, self.predictions.to_parquet())
        return Baseline(version="1", bundle=self.champion.digest, synthetic=False)


@pytest.fixture(scope="module")
def world(housing_frame: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One champion for all tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOUSING_HOME", str(tmp_path_factory.mktemp("home")))
        yield World(housing_frame)


@pytest.mark.parametrize("invent", [dearer, cheap_and_new, a_little])
def test_one_key_moves_what_is_learnt_of_its_surroundings_by_next_to_nothing(
    world: World, invent: Callable[[pd.DataFrame], pd.DataFrame]
) -> None:
    assert abs(world.near(world.attack(invent))) < 0.015


def test_one_key_moves_no_price_by_much_and_decides_nothing(world: World) -> None:
    quiet, found = (world.judge(world.attack(invent)) for invent in (None, dearer))

    assert found.price == pytest.approx(quiet.price, rel=0.03)
    assert found.verdict == quiet.verdict
