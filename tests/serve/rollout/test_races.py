"""Moves at the same moment, and in the middle of a canary: one order, and no request fails."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event
from typing import TYPE_CHECKING, Any

import pytest

from housing_ml.releases.champion import promote_version
from housing_ml.releases.channels import history, read_channels, record_release
from housing_ml.releases.rollback import roll_back
from housing_ml.storage.errors import ConflictError, ReleaseError
from tests.serve.conftest import Home
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.serve.conftest import Models, Service


@pytest.fixture
def home(tmp_path: Path, models: Models) -> Home:
    """A home whose champion is version 2, promoted after version 1; version 3 waits."""
    found = Home(tmp_path)
    for version, model in (("1", models.first), ("2", models.second), ("3", models.first)):
        bundle = model.bundle
        record_release(found.releases, found.publish_files(bundle.files(), bundle.digest, version))
        if version != "3":
            promote_version(found.releases, version, why="better", by="test")
    return found


def test_a_promotion_and_a_roll_back_at_the_same_moment_have_an_order(
    start: Callable[..., Service], home: Home, instances: list[dict[str, Any]]
) -> None:
    service = start(home.path)
    start_together, before = Barrier(2), home.channels_file.read_bytes()

    def move(function: Callable[[], object]) -> str:
        start_together.wait()
        try:
            function()
        except ConflictError:
            return "told"
        except ReleaseError as error:
            return str(error)
        return "done"

    for _ in range(5):
        sequence = read_channels(home.releases)[0].sequence
        with ThreadPoolExecutor(2) as pool:
            moves = [
                pool.submit(
                    move, lambda: promote_version(home.releases, "3", why="better", by="ann")
                ),
                pool.submit(move, lambda: roll_back(home.releases, "1", why="wrong", by="bob")),
            ]
            found = [moved.result() for moved in moves]
        channels, _ = read_channels(home.releases)
        assert channels.sequence - sequence == found.count("done")
        assert "done" in found
        last = history(home.releases)[-1]
        assert last.version == channels.channels["champion"].version
        until(
            lambda: (
                service.version() == read_channels(home.releases)[0].channels["champion"].version
            )
        )
        assert service.predict(instances[:1]).status_code == 200
        home.channels_file.write_bytes(before)
        until(lambda: service.version() == "2")


def test_a_promotion_in_the_middle_of_a_canary_fails_no_request(
    start: Callable[..., Service], home: Home, models: Models, instances: list[dict[str, Any]]
) -> None:
    service = start(home.path)
    home.try_out("canary", models.first.bundle, "4")
    done = Event()

    def ask(number: int) -> set[tuple[int, str]]:
        found = set()
        with service.new_client() as client:
            asked = {"instances": instances[number : number + 1]}
            while not done.is_set():
                answer = client.post("/api/v1/predict", json=asked)
                found.add((answer.status_code, answer.json().get("channel", answer.text)))
        return found

    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(ask, number) for number in range(4)]
        try:
            until(lambda: "canary" in service.deep()["dependencies"])
            until(lambda: service.metric("housing_predictions_total", channel="canary") > 0)
            bundle = models.first.bundle
            promote_version(home.releases, "4", why="it is better", by="test")
            until(lambda: service.version() == "4")
            until(lambda: "canary" not in service.deep()["dependencies"])
        finally:
            done.set()
        answers = set[tuple[int, str]]().union(*(one.result() for one in asking))
    assert answers == {(200, "champion"), (200, "canary")}
    assert read_channels(home.releases)[0].channels["champion"].bundle == bundle.digest
