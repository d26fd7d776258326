"""The guard over a new champion: broken ones go soon, good ones nearly never."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
import pytest

from housing_ml.releases.champion import promote_version
from housing_ml.releases.channels import (
    history,
    move_channels,
    publish_bundle,
    read_channels,
    record_release,
)
from housing_ml.releases.records import Release, TrainingData, now
from housing_ml.releases.rollback import roll_back
from housing_ml.rollout.canary import start_canary
from housing_ml.rollout.counts import Arm, Observation
from housing_ml.rollout.guard import guard
from housing_ml.rollout.guarding import look_after_canary, look_after_champion
from housing_ml.rollout.observations import guard_name, probation_name, report
from housing_ml.rollout.pairs import Cluster
from housing_ml.storage.errors import ConflictError
from housing_ml.storage.versioned import LocalReleases
from tests.housing_ml.rollout.guarded import BROKEN, GOOD, REQUESTS, taken_back
from tests.housing_ml.rollout.traffic import Traffic
from tests.untrained_bundle import bundle_files

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_model_is_out_within_a_tenth_of_the_guards_requests(name: str) -> None:
    for seed in range(3):
        found = taken_back(BROKEN[name], seed)
        assert found is not None
        assert found <= REQUESTS / 10


def test_good_models_are_nearly_never_taken_back() -> None:
    found = [taken_back(model, seed) for model in GOOD.values() for seed in range(8)]

    # At most 5 % of 40 are expected; 8 or more would come by chance once in a thousand times.
    assert sum(count is not None for count in found) < 8


def doubled(requests: int = 100) -> Observation:
    clusters = {
        f"{place:x}": Cluster(requests=1, priced=1, log_ratio=0.69, apart=0.69)
        for place in range(requests)
    }
    return Observation(canary=Arm(requests=requests), pairs={"": clusters})


def test_a_shift_that_the_gate_saw_is_expected() -> None:
    up = {
        f"{place:x}": Cluster(requests=1, priced=1, log_ratio=0.2 + 0.001 * (place % 7), apart=0.01)
        for place in range(100)
    }

    assert guard(Observation(pairs={"": up}), shift=0.2).reasons == ()
    assert "prices" in guard(Observation(pairs={"": up})).reasons[0]


def test_prices_that_a_person_saw_double_in_a_part_are_expected_there() -> None:
    """A third of the rows doubles: 0.23 on average, and 0.31 from that on average."""
    seen = {
        f"{place:x}": Cluster(
            requests=1,
            priced=1,
            log_ratio=0.69 * (place % 3 == 0),
            apart=0.46 if place % 3 == 0 else 0.23,
        )
        for place in range(240)
    }

    assert guard(Observation(pairs={"": seen}), shift=0.23, distance=0.31).reasons == ()
    assert "distance of prices" in guard(Observation(pairs={"": seen}), shift=0.23).reasons[0]


class Place:
    """Releases of two versions, of which the second was just promoted."""

    def __init__(self, folder: Path, digest: Callable[[str], str]) -> None:
        self.storage = LocalReleases(folder)
        self._digest = digest
        first = self.publish("1", hours=0)
        move_channels(self.storage, lambda _: {"champion": first}, if_generation=0)
        self.publish("2", hours=6)
        promote_version(self.storage, "2", why="better", by="test")

    def publish(self, version: str, hours: float) -> Release:
        publish_bundle(self.storage, self._digest(version), bundle_files(version))
        release = Release(
            version=version,
            bundle=self._digest(version),
            model="ridge",
            metrics={},
            data=TrainingData(digest="d", rows=1, synthetic=False),
            guard_hours=hours,
            promoted_at=now(),
            promoted_by="test",
            reason="test",
        )
        record_release(self.storage, release)
        return release

    @property
    def champion(self) -> str:
        return read_channels(self.storage)[0].channels["champion"].version

    def guard_name(self, hours: float = 0) -> str | None:
        channels, _ = read_channels(self.storage)
        return guard_name(channels, datetime.now(UTC) + timedelta(hours=hours))


@pytest.fixture
def place(tmp_path: Path, make_bundle: Callable[[str], str]) -> Place:
    return Place(tmp_path, make_bundle)


def test_whoever_looks_first_takes_a_broken_champion_back_and_nobody_goes_further(
    place: Place,
) -> None:
    assert look_after_champion(place.storage) is None
    report(place.storage, str(place.guard_name()), "worker", doubled())

    why = look_after_champion(place.storage)

    assert why is not None
    assert "prices" in why
    assert place.champion == "1"
    assert look_after_champion(place.storage) is None
    assert [event.kind for event in history(place.storage)] == ["promotion", "rollback"]
    assert why == read_channels(place.storage)[0].withdrawn[bundle_of(place, "2")]


def bundle_of(place: Place, version: str) -> str:
    return next(event.bundle for event in history(place.storage) if event.version == version)


def test_the_guard_ends_with_its_hours_and_with_a_roll_back(place: Place) -> None:
    assert place.guard_name() is not None
    assert place.guard_name(hours=6.1) is None
    roll_back(place.storage, why="no", by="ann")
    assert place.guard_name() is None


def test_a_roll_back_of_one_champion_leaves_another_alone(place: Place) -> None:
    second = read_channels(place.storage)[0].channels["champion"].bundle
    place.publish("3", hours=6)
    promote_version(place.storage, "3", why="better", by="test")

    with pytest.raises(ConflictError, match="another model"):
        roll_back(place.storage, why="late", by="guard", bundle=second)
    assert place.champion == "3"


@pytest.mark.parametrize(
    ("traffic", "champion", "kind"),
    [({}, "3", "promotion"), ({"errors": 0.5}, "2", "canary stopped")],
)
def test_the_services_promote_a_good_canary_of_the_loop_and_end_a_bad_one(
    place: Place, traffic: dict[str, float], champion: str, kind: str
) -> None:
    canary = place.publish("3", hours=6)
    start_canary(place.storage, canary.bundle, 0.1, why="better", by="loop", watched=True)
    assert look_after_canary(place.storage) is None
    name = str(probation_name(read_channels(place.storage)[0]))
    report(place.storage, name, "worker", Traffic(1, **traffic).until(20_000))

    assert look_after_canary(place.storage) is not None

    assert place.champion == champion
    assert history(place.storage)[-1].kind == kind
    assert look_after_canary(place.storage) is None


def test_a_canary_that_a_person_started_is_left_to_a_person(place: Place) -> None:
    canary = place.publish("3", hours=6)
    start_canary(place.storage, canary.bundle, 0.1, why="try", by="ann")
    name = str(probation_name(read_channels(place.storage)[0]))
    report(place.storage, name, "worker", Traffic(1).until(20_000))

    assert look_after_canary(place.storage) is None


def test_a_canary_whose_prices_move_as_the_gate_saw_is_not_aborted(place: Place) -> None:
    canary = msgspec.structs.replace(place.publish("3", hours=6), shift=0.0953)
    record_release(place.storage, canary)
    start_canary(place.storage, canary.bundle, 0.1, why="better", by="loop", watched=True)
    name = str(probation_name(read_channels(place.storage)[0]))
    report(place.storage, name, "worker", Traffic(1, factor=1.1).until(20_000))

    assert "promoted" in str(look_after_canary(place.storage))
