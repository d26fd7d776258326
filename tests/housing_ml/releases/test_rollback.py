"""Roll backs, canaries and shadows as moves of the channels."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TYPE_CHECKING, Any

import pytest

from housing_ml.bundle.manifest import sha256
from housing_ml.releases.champion import take_over
from housing_ml.releases.channels import (
    CHANNELS,
    find_release,
    history,
    publish_bundle,
    read_channels,
    record_release,
)
from housing_ml.releases.records import Event, Release, TrainingData, now
from housing_ml.releases.rollback import roll_back
from housing_ml.rollout.canary import promote_canary, start_canary, start_shadow, stop
from housing_ml.storage.errors import ConflictError, ReleaseError
from housing_ml.storage.versioned import LocalReleases

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from housing_ml.storage.versioned import Versioned

ME = "someone"


class Place:
    """Releases with versions that were published and put into service."""

    def __init__(self, root: Path, files: Callable[[str], dict[str, bytes]]) -> None:
        self.storage = LocalReleases(root)
        self._files = files

    def publish(self, version: str, *, passed: bool = True) -> Release:
        files = self._files(version)
        release = Release(
            version=version,
            bundle=sha256(files["manifest.json"]),
            model="ridge",
            metrics={"rmse": 1.0},
            data=TrainingData(digest="d", rows=1, synthetic=False),
            passed_gate=passed,
            promoted_at=now(),
            promoted_by=ME,
            reason="better",
        )
        publish_bundle(self.storage, release.bundle, files)
        record_release(self.storage, release)
        return release

    def promote(self, version: str) -> Release:
        release = self.publish(version)
        event = Event(
            kind="promotion", version=version, bundle=release.bundle, at=now(), by=ME, reason="new"
        )
        return take_over(self.storage, *read_channels(self.storage), release, event)

    def versions(self) -> dict[str, str]:
        channels, _ = read_channels(self.storage)
        return {name: release.version for name, release in channels.channels.items()}


@pytest.fixture
def place(tmp_path: Path, make_files: Callable[[str], dict[str, bytes]]) -> Place:
    found = Place(tmp_path / "releases", make_files)
    for version in ("1", "2", "3"):
        found.promote(version)
    return found


def test_a_roll_back_goes_back_by_one_and_again_by_another(place: Place) -> None:
    assert roll_back(place.storage, why="slow", by=ME).version == "2"
    assert place.versions() == {"champion": "2", "previous": "1"}

    roll_back(place.storage, why="wrong", by=ME)
    assert place.versions() == {"champion": "1"}
    with pytest.raises(ReleaseError, match="no previous release"):
        roll_back(place.storage, why="lost", by=ME)


def test_a_wish_of_one_key_is_fulfilled_once_whatever_came_between(place: Place) -> None:
    assert roll_back(place.storage, why="slow", by=ME, key="night").version == "2"
    assert roll_back(place.storage, why="slow", by=ME, key="night").version == "2"
    place.promote("4")
    assert roll_back(place.storage, why="slow", by=ME, key="night").version == "2"
    assert place.versions()["champion"] == "4"

    assert roll_back(place.storage, why="slow", by="ann", key="night").version == "2"
    assert place.versions()["champion"] == "2"


def test_two_at_once_of_one_key_go_back_by_one(place: Place) -> None:
    start = Barrier(2)

    def go_back() -> str:
        start.wait()
        return roll_back(place.storage, why="slow", by=ME, key="night").version

    with ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(go_back) for _ in range(2)]
        assert [answer.result() for answer in answers] == ["2", "2"]
    assert place.versions() == {"champion": "2", "previous": "1"}


def test_a_roll_back_names_its_version_by_number_or_digest(place: Place) -> None:
    digest = find_release(place.storage, "1").bundle

    assert roll_back(place.storage, digest[:10], why="wrong", by=ME).version == "1"
    assert roll_back(place.storage, "3", why="it was the data", by=ME).version == "3"


def test_a_roll_back_is_written_down_with_who_and_why(place: Place) -> None:
    roll_back(place.storage, why="twice the price", by="ann")

    event = history(place.storage)[-1]
    assert (event.kind, event.version, event.by, event.reason) == (
        "rollback",
        "2",
        "ann",
        "twice the price",
    )
    assert event.evidence["from_version"] == "3"


def test_what_is_rolled_back_stays_withdrawn_until_it_is_wanted_again(place: Place) -> None:
    bad = find_release(place.storage, "3").bundle
    roll_back(place.storage, why="wrong", by=ME)
    assert read_channels(place.storage)[0].withdrawn == {bad: "wrong"}
    with pytest.raises(ReleaseError, match="was rolled back: wrong"):
        start_canary(place.storage, "3", 0.1, why="again", by=ME)

    roll_back(place.storage, "3", why="it was the data", by=ME)
    assert bad not in read_channels(place.storage)[0].withdrawn


@pytest.mark.parametrize(
    ("to", "message"),
    [("3", "is the champion already"), ("9", "no published version"), ("4", "did not pass")],
)
def test_a_roll_back_to_what_cannot_serve_is_refused(place: Place, to: str, message: str) -> None:
    place.publish("4", passed=False)

    with pytest.raises(ReleaseError, match=message):
        roll_back(place.storage, to, why="wrong", by=ME)
    assert place.versions()["champion"] == "3"


def test_a_roll_back_to_a_damaged_bundle_is_refused(place: Place) -> None:
    digest = find_release(place.storage, "2").bundle
    place.storage.write(f"bundles/{digest}/model.onnx", b"damaged")

    with pytest.raises(ReleaseError, match=r"model\.onnx is damaged"):
        roll_back(place.storage, why="wrong", by=ME)
    assert place.versions()["champion"] == "3"


def test_a_roll_back_ends_the_canary_and_leaves_the_shadow(place: Place) -> None:
    for version in ("4", "5"):
        place.publish(version)
    start_canary(place.storage, "4", 0.1, why="try", by=ME)
    start_shadow(place.storage, "5", why="watch", by=ME)

    roll_back(place.storage, why="wrong", by=ME)
    assert place.versions() == {"champion": "2", "previous": "1", "shadow": "5"}


def test_a_canary_gets_its_share_and_becomes_champion(place: Place) -> None:
    place.publish("4")
    start_canary(place.storage, "4", 0.1, why="try", by=ME)
    start_canary(place.storage, "4", 0.5, why="more", by=ME)
    assert read_channels(place.storage)[0].channels["canary"].share == 0.5

    champion = promote_canary(place.storage, why="as good", by=ME)
    assert (champion.version, champion.share) == ("4", None)
    assert place.versions() == {"champion": "4", "previous": "3"}
    assert [event.kind for event in history(place.storage)][-3:] == [
        "canary started",
        "canary started",
        "promotion",
    ]


def test_a_stopped_canary_is_withdrawn_where_it_was_bad(place: Place) -> None:
    release = place.publish("4")
    start_canary(place.storage, "4", 0.1, why="try", by=ME)
    stop(place.storage, "canary", why="errors", by="watch", withdraw=True)

    assert "canary" not in place.versions()
    assert read_channels(place.storage)[0].withdrawn == {release.bundle: "errors"}
    assert stop(place.storage, "canary", why="again", by=ME) is None


@pytest.mark.parametrize("share", [0.0, 1.0, -1.0])
def test_a_share_outside_of_0_and_1_is_refused(place: Place, share: float) -> None:
    with pytest.raises(ReleaseError, match="share lies between 0 and 1"):
        start_canary(place.storage, "2", share, why="try", by=ME)


def test_a_model_that_failed_the_gate_may_be_a_shadow_and_no_canary(place: Place) -> None:
    place.publish("4", passed=False)

    with pytest.raises(ReleaseError, match="start a shadow"):
        start_canary(place.storage, "4", 0.1, why="try", by=ME)
    assert start_shadow(place.storage, "4", why="watch", by=ME).version == "4"


def test_two_that_roll_back_at_once_do_not_go_back_twice(place: Place) -> None:
    channels, generation = read_channels(place.storage)
    roll_back(place.storage, why="wrong", by="ann")

    release = find_release(place.storage, "2")
    event = Event(kind="rollback", version="2", bundle="b", at=now(), by="bob", reason="too")
    with pytest.raises(ConflictError, match="look again"):
        take_over(place.storage, channels, generation, release, event)
    assert place.versions()["champion"] == "2"


def test_a_roll_back_needs_none_of_the_training_libraries() -> None:
    code = (
        "import sys, housing_ml.releases.rollback\n"
        "import housing_ml.rollout.canary, housing_ml.rollout.routing\n"
        "slow = {'mlflow', 'prefect', 'sklearn', 'pandas', 'pydantic'} & set(sys.modules)\n"
        "sys.exit(', '.join(slow) or 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_champion_stands_in_no_other_channel(place: Place) -> None:
    start_shadow(place.storage, "2", why="look at it again", by=ME)
    start_canary(place.storage, "1", 0.1, why="try", by=ME)
    roll_back(place.storage, why="wrong", by=ME)
    assert place.versions() == {"champion": "2", "previous": "1"}

    start_canary(place.storage, "1", 0.1, why="try", by=ME)
    assert promote_canary(place.storage, why="as good", by=ME).version == "1"
    assert place.versions() == {"champion": "1", "previous": "2"}


class Overtaken:
    """A storage where another try is through between two looks at the channels."""

    def __init__(self, storage: LocalReleases, other: Callable[[], object]) -> None:
        self._storage = storage
        self._other = other
        self._looks = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    def read(self, name: str) -> Versioned | None:
        self._looks += name == CHANNELS
        if self._looks == 2:
            self._looks += 1
            self._other()
        return self._storage.read(name)


def test_a_try_that_another_one_overtook_does_not_go_back_again(place: Place) -> None:
    def go_back(storage: Any) -> str:
        return roll_back(storage, why="slow", by=ME, key="night").version

    overtaken = Overtaken(place.storage, lambda: go_back(place.storage))
    assert go_back(overtaken) == "2"
    assert place.versions() == {"champion": "2", "previous": "1"}


def test_a_try_that_another_one_left_nothing_for_is_answered_like_it(place: Place) -> None:
    roll_back(place.storage, why="slow", by=ME)

    def go_back(storage: Any) -> str:
        return roll_back(storage, why="slow", by=ME, key="night").version

    overtaken = Overtaken(place.storage, lambda: go_back(place.storage))
    assert go_back(overtaken) == "1"
    assert place.versions() == {"champion": "1"}
