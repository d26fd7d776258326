"""Promotions that end well, that two people begin, and that die at any step."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from housing_ml.bundle.signing import new_key, verify
from housing_ml.config.gate import GateConfig
from housing_ml.registry.models import registry_client
from housing_ml.releases import promotion, publishing
from housing_ml.releases.cards import card_name, card_of
from housing_ml.releases.channels import fetch_bundle, find_release, history, read_channels
from housing_ml.releases.circumstances import baseline, circumstances
from housing_ml.releases.promotion import promote, reject, repair
from housing_ml.releases.rollback import roll_back
from housing_ml.releases.sync import in_step, sync
from housing_ml.settings import Settings
from housing_ml.storage.errors import ConflictError, ReleaseError
from housing_ml.storage.versioned import LocalReleases
from tests.waiting import PATIENCE_SECONDS

if TYPE_CHECKING:
    from pathlib import Path

    from housing_ml.releases.records import Release

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["housing_ml.releases.promotion"])

Maker = Callable[..., Any]

WRITES = 11
"""Predictions, errors by place, card, how fair it is, three files, the version twice, channels,
history."""


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory, make_bundle: Callable[[str], str]) -> Path:
    """An MLflow database that knows versions 1 to 3."""
    settings = Settings(home=tmp_path_factory.mktemp("registry"))
    with registry_client(settings) as client:
        client.create_registered_model("housing-price")
        for version in "123":
            tags = {"bundle_digest": make_bundle(version)}
            client.create_model_version("housing-price", source="nowhere", tags=tags)
    return settings.home / "mlflow.db"


@pytest.fixture
def settings(tmp_path: Path, registry: Path) -> Settings:
    shutil.copy(registry, tmp_path / "mlflow.db")
    return Settings(home=tmp_path)


@pytest.fixture
def releases(settings: Settings) -> LocalReleases:
    return LocalReleases(settings.releases_path)


def aliases(settings: Settings) -> dict[str, str]:
    with registry_client(settings) as client:
        found = client.get_registered_model("housing-price").aliases
        return {name: str(version) for name, version in found.items()}


def put_into_service(settings: Settings, found: Any) -> None:
    channels, _ = read_channels(LocalReleases(settings.releases_path))
    promote(*found, baseline(channels, found.bundle), settings=settings)


def champion(releases: LocalReleases) -> Release:
    return read_channels(releases)[0].channels["champion"]


def test_a_promotion_reaches_services_history_and_mlflow(
    settings: Settings, releases: LocalReleases, make_version: Maker
) -> None:
    put_into_service(settings, make_version(settings, "1"))
    put_into_service(settings, make_version(settings, "2"))

    assert champion(releases).version == "2"
    assert fetch_bundle(releases, champion(releases).bundle)
    assert [(event.kind, event.version) for event in history(releases)] == [
        ("promotion", "1"),
        ("promotion", "2"),
    ]
    assert aliases(settings) == {"champion": "2", "previous": "1"}


def test_a_card_tells_of_the_model_and_what_was_decided_about_it(
    settings: Settings, releases: LocalReleases, make_version: Maker
) -> None:
    put_into_service(settings, make_version(settings, "1"))
    put_into_service(settings, make_version(settings, "2"))
    roll_back(releases, "1", why="too dear", by="ana")

    card = card_of(releases, find_release(releases, "1"))

    assert "Intended use" in card
    assert "Fair to assess by" in card
    assert "38,700 $" in card
    first, _, decided = card.partition("## Decisions")
    assert "too dear" not in first
    assert ["| rollback |" in line for line in decided.splitlines() if "too dear" in line] == [True]
    assert "| promotion |" in decided


def test_a_release_of_before_has_a_card_of_its_figures(
    settings: Settings, releases: LocalReleases, make_version: Maker
) -> None:
    put_into_service(settings, make_version(settings, "1"))
    (releases.root / card_name(champion(releases).bundle)).unlink()

    card = card_of(releases, champion(releases))

    assert "wrote no card" in card
    assert "38,700 $" in card
    assert "| promotion |" in card


def test_promoting_the_champion_again_changes_nothing(
    settings: Settings, releases: LocalReleases, make_version: Maker
) -> None:
    for _ in range(2):
        put_into_service(settings, make_version(settings, "1"))

    assert read_channels(releases)[0].sequence == 1
    assert len(history(releases)) == 1


def test_a_rejected_version_is_published_but_serves_nobody(
    settings: Settings, releases: LocalReleases, make_version: Maker
) -> None:
    put_into_service(settings, make_version(settings, "1"))
    reject(*make_version(settings, "2", passed=False), settings=settings)

    assert champion(releases).version == "1"
    assert not find_release(releases, "2").passed_gate
    assert aliases(settings) == {"champion": "1", "challenger": "2"}
    with pytest.raises(ReleaseError, match="did not pass the gate"):
        roll_back(releases, "2", why="try", by="someone")


def test_an_old_champion_that_is_rejected_later_can_still_be_rolled_back_to(
    settings: Settings, releases: LocalReleases, make_version: Maker
) -> None:
    for version in "12":
        put_into_service(settings, make_version(settings, version))
    reject(*make_version(settings, "1", passed=False), settings=settings)

    assert roll_back(releases, "1", why="wrong", by="someone").version == "1"


def test_a_promoter_that_faced_another_champion_is_told(
    settings: Settings, releases: LocalReleases, make_version: Maker
) -> None:
    put_into_service(settings, make_version(settings, "1"))
    found = make_version(settings, "3")
    faced = baseline(read_channels(releases)[0], found.bundle)
    put_into_service(settings, make_version(settings, "2"))

    with pytest.raises(ConflictError, match="run again"):
        promote(*found, faced, settings=settings)
    assert champion(releases).version == "2"


def test_a_bundle_that_was_rolled_back_is_known_to_the_gate_and_not_promoted(
    settings: Settings, releases: LocalReleases, make_version: Maker
) -> None:
    put_into_service(settings, make_version(settings, "1"))
    found = make_version(settings, "2")
    put_into_service(settings, found)
    roll_back(releases, why="twice the price", by="someone")

    known = circumstances(read_channels(releases)[0], found.bundle, GateConfig())
    assert known.withdrawn == "twice the price"
    with pytest.raises(ReleaseError, match="was rolled back: twice the price"):
        put_into_service(settings, found)


def test_a_promotion_is_signed_where_a_key_is_configured(
    settings: Settings, releases: LocalReleases, make_version: Maker
) -> None:
    private, public = new_key()
    signing = Settings(home=settings.home, signing_key=private)
    put_into_service(signing, make_version(signing, "1"))

    found = champion(releases)
    verify(found.bundle, found.signature, [public])


def die_at(home: Path, step: int, found: Any) -> None:
    """Promote in a process that kills itself before its write number `step`."""

    class Dying(LocalReleases):
        writes = 0

        def write(self, name: str, content: bytes, *, if_generation: int | None = None) -> int:
            Dying.writes += 1
            if Dying.writes == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return super().write(name, content, if_generation=if_generation)

    for module in (promotion, publishing):
        vars(module)["open_releases"] = lambda settings: Dying(settings.releases_path)
    put_into_service(Settings(home=home), found)


@pytest.mark.parametrize("step", range(1, WRITES + 1))
def test_a_promotion_that_dies_leaves_a_whole_champion_and_is_completed_by_the_next_command(
    settings: Settings, releases: LocalReleases, make_version: Maker, step: int
) -> None:
    put_into_service(settings, make_version(settings, "1"))
    found = make_version(settings, "2")

    process = PROCESSES.Process(target=die_at, args=(settings.home, step, found))
    process.start()
    process.join(PATIENCE_SECONDS)

    assert process.exitcode == -signal.SIGKILL
    left = champion(releases)
    assert left.version == ("2" if step == WRITES else "1")
    assert fetch_bundle(releases, left.bundle)

    put_into_service(settings, found)
    assert champion(releases).version == "2"
    assert [event.version for event in history(releases)] == ["1", "2"]
    assert len(releases.names("history")) == 2
    assert aliases(settings) == {"champion": "2", "previous": "1"}


def die_between_aliases(home: Path, found: Any) -> None:
    from mlflow import MlflowClient  # noqa: PLC0415 - in the process that dies

    set_alias = MlflowClient.set_registered_model_alias

    def once(client: Any, name: str, alias: str, version: str) -> None:
        set_alias(client, name, alias, version)
        os.kill(os.getpid(), signal.SIGKILL)

    MlflowClient.set_registered_model_alias = once
    put_into_service(Settings(home=home), found)


def test_a_promotion_that_dies_between_two_aliases_is_repaired(
    settings: Settings, releases: LocalReleases, make_version: Maker
) -> None:
    put_into_service(settings, make_version(settings, "1"))
    process = PROCESSES.Process(
        target=die_between_aliases, args=(settings.home, make_version(settings, "2"))
    )
    process.start()
    process.join(PATIENCE_SECONDS)

    assert process.exitcode == -signal.SIGKILL
    assert champion(releases).version == "2"
    assert aliases(settings) == {"champion": "2"}
    assert not in_step(releases)

    repair(settings)
    assert aliases(settings) == {"champion": "2", "previous": "1"}
    assert in_step(releases)


def test_a_roll_back_reaches_mlflow_with_the_next_sync(
    settings: Settings, releases: LocalReleases, make_version: Maker
) -> None:
    for version in "12":
        put_into_service(settings, make_version(settings, version))
    roll_back(releases, why="wrong", by="someone")
    assert aliases(settings) == {"champion": "2", "previous": "1"}

    assert sync(settings).aliases == {"champion": "1"}
    assert aliases(settings) == {"champion": "1"}


def test_a_rebuilt_mlflow_is_reported_and_stops_nobody(
    settings: Settings, releases: LocalReleases, make_version: Maker
) -> None:
    put_into_service(settings, make_version(settings, "4"))

    report = sync(settings)
    assert report.aliases == {}
    assert "MLflow has no version" in report.problems[0]
    assert champion(releases).version == "4"
