"""Probations in one process: nothing is kept of one that is over; one that goes on is left."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from typing import TYPE_CHECKING, Any

import pytest

from housing_ml.bundle.model import Bundle
from housing_ml.data.contract import BlockGroup
from housing_ml.releases.records import Release, TrainingData, now
from housing_ml.storage.versioned import LocalReleases
from serve.models.loaded_model import LoadedModel
from serve.rollout.comparison import Asked
from serve.rollout.lane import Lane, LaneFullError
from serve.rollout.probations import Probations
from serve.telemetry.metrics import Metrics
from tests.waiting import PATIENCE_SECONDS, until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.serve.conftest import Models


def loaded(bundle: Bundle, channel: str, version: str = "1") -> LoadedModel:
    release = Release(
        version=version,
        bundle=bundle.digest,
        model="histogram_gradient_boosting",
        metrics={},
        data=TrainingData(digest="d", rows=1, synthetic=False),
        share=0.5 if channel == "canary" else None,
        promoted_at=now(),
        promoted_by="test",
        reason="test",
    )
    return LoadedModel.now(bundle, release, channel, "test")


@pytest.fixture
def probations(tmp_path: Path) -> Probations:
    return Probations(LocalReleases(tmp_path), None, Metrics())


@pytest.fixture
def champion(models: Models) -> LoadedModel:
    return loaded(models.first.bundle, "champion")


def test_a_bundle_is_let_go_when_its_trials_are_over(
    probations: Probations, champion: LoadedModel, models: Models, instances: list[dict[str, Any]]
) -> None:
    bundle = Bundle(models.second.bundle.files())
    beside = {name: loaded(bundle, name, "2") for name in ("canary", "shadow")}
    probations.follow(champion, beside)
    assert probations.canary
    assert probations.shadow
    places = [BlockGroup(**row) for row in instances[:3]]
    timed = asyncio.run(probations.canary.price(places, Asked("", "a customer")))
    assert timed
    priced = timed.priced
    probations.shadow.offer(["a", "b", "c"], priced.raw, priced.prediction)
    held = weakref.ref(bundle)

    probations.close()
    del bundle, beside, priced, timed
    until(lambda: gc.collect() >= 0 and held() is None)


def test_a_probation_that_goes_on_is_left_alone_and_a_new_champion_makes_a_new_one(
    probations: Probations, champion: LoadedModel, models: Models
) -> None:
    canary = loaded(models.second.bundle, "canary", "2")
    probations.follow(champion, {"canary": canary})
    first = probations.canary
    probations.follow(
        champion, {"canary": canary, "shadow": loaded(models.second.bundle, "shadow")}
    )
    assert probations.canary is first
    probations.follow(loaded(models.second.bundle, "champion", "3"), {"canary": canary})
    assert probations.canary is not first
    assert probations.shadow is None
    probations.follow(None, {"canary": canary})
    assert probations.canary is None


def test_a_lane_waits_only_so_long_and_takes_only_so_many() -> None:
    asyncio.run(_use_a_lane())


async def _use_a_lane() -> None:
    lane = Lane("test", threads=1, most=2)
    assert await lane.call(lambda: 42, seconds=PATIENCE_SECONDS) == 42
    with pytest.raises(ZeroDivisionError):
        await lane.call(lambda: 1 // 0, seconds=PATIENCE_SECONDS)
    go_on = threading.Event()
    hanging = [asyncio.create_task(lane.call(go_on.wait, seconds=0.1)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(LaneFullError):
        await lane.call(lambda: 42, seconds=PATIENCE_SECONDS)
    found = await asyncio.gather(*hanging, return_exceptions=True)
    assert [type(error) for error in found] == [TimeoutError, TimeoutError]
    with pytest.raises(LaneFullError):  # it still hangs
        await lane.call(lambda: 42, seconds=PATIENCE_SECONDS)
    go_on.set()
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            try:
                assert await lane.call(lambda: 42, seconds=PATIENCE_SECONDS) == 42
            except LaneFullError:
                await asyncio.sleep(0.01)
            else:
                break
    lane.close()
