"""The commands about releases, as a person or a script types them."""

from __future__ import annotations

import json
import re
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from housing_ml import cli
from housing_ml.bundle.signing import public_key
from housing_ml.registry.models import registry_client
from housing_ml.releases.channels import read_channels
from housing_ml.releases.circumstances import baseline
from housing_ml.releases.promotion import promote, reject
from housing_ml.settings import Settings
from housing_ml.storage.versioned import LocalReleases

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.filterwarnings("ignore:Cyclopts application invoked without tokens")
"""It takes `main` for a test's mistake."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, make_version: Callable[..., Any]) -> Path:
    """Version 2 in service, version 1 before it, version 3 rejected; MLflow knows all."""
    settings = Settings(home=tmp_path_factory.mktemp("home"))
    with registry_client(settings) as client:
        client.create_registered_model("housing-price")
        for version in "123":
            found = make_version(settings, version, [1.1, 1.2, 1.3])
            tags = {"bundle_digest": found.bundle}
            client.create_model_version("housing-price", source="nowhere", tags=tags)
    for version in "12":
        channels, _ = read_channels(LocalReleases(settings.releases_path))
        found = make_version(settings, version, [1.1, 1.2, 1.3])
        promote(*found, baseline(channels, found.bundle), settings=settings)
    reject(*make_version(settings, "3", [1.2, 1.3, 1.4], passed=False), settings=settings)
    return settings.home


@pytest.fixture
def housing(
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., Any]:
    """Type a command; return what it printed, decoded where it is JSON."""
    shutil.copytree(home, tmp_path / "home")
    monkeypatch.setenv("HOUSING_HOME", str(tmp_path / "home"))

    def run(*words: str) -> Any:
        monkeypatch.setattr("sys.argv", ["housing", *words])
        with pytest.raises(SystemExit) as end:
            cli.main()
        printed = capsys.readouterr()
        if end.value.code:
            return printed.err
        return json.loads(printed.out) if "--json" in words else printed.out

    return run


def test_a_roll_back_says_so_and_moves_mlflow_too(housing: Callable[..., Any]) -> None:
    assert housing("rollback", "--why", "wrong").startswith("version 1 is the champion again")

    assert housing("status", "--json")["champion"]["version"] == "1"
    assert housing("release", "sync", "--json") == {
        "sequence": 3,
        "aliases": {"champion": "1"},
        "problems": [],
    }


def test_the_history_tells_what_was_decided(housing: Callable[..., Any]) -> None:
    housing("rollback", "--to", "1", "--why", "wrong")

    kinds = [event["kind"] for event in housing("history", "--json")]
    assert kinds == ["promotion", "promotion", "rejection", "rollback"]
    assert "rollback" in housing("history")


def test_a_person_may_promote_what_passed_and_nothing_else(housing: Callable[..., Any]) -> None:
    assert "did not pass the gate" in housing("promote", "3", "--why", "I like it")
    assert housing("promote", "1", "--why", "back", "--json")["version"] == "1"


def test_canary_and_shadow_start_and_stop(housing: Callable[..., Any]) -> None:
    started = housing("canary", "start", "1", "--share", "25%", "--why", "try", "--json")
    assert started["share"] == 0.25
    assert "version 3 is the shadow" in housing("shadow", "start", "3", "--why", "watch")
    assert set(housing("status", "--json")) == {"champion", "previous", "canary", "shadow"}

    assert "the canary ended" in housing("canary", "stop", "--why", "enough")
    assert "the shadow ended" in housing("shadow", "stop", "--why", "enough")
    assert "there is none" in housing("canary", "stop", "--why", "enough")
    assert "10% or 0.1" in housing("canary", "start", "1", "--share", "much", "--why", "try")


def test_the_status_shows_releases_their_figures_ages_and_the_service_at_a_glance(
    housing: Callable[..., Any],
) -> None:
    housing("canary", "start", "1", "--share", "25%", "--why", "try")
    shown = housing("status", "--url", "http://127.0.0.1:9")

    rows = {line[:14].strip(): line.split()[1:] for line in shown.splitlines() if line}
    assert rows["channel"] == ["champion", "canary", "previous"]
    assert rows["version"] == ["2", "1", "1"]
    assert "25%" in rows["share"]
    assert "RMSE" in rows
    assert re.search("just now|ago", shown)
    assert "No service was found at http://127.0.0.1:9" in shown


def test_the_status_says_how_fair_the_champion_is_everywhere_and_by_region(
    housing: Callable[..., Any],
) -> None:
    shown = housing("status", "--url", "http://127.0.0.1:9")

    rows = {re.split("  +", line.strip())[0]: line for line in shown.splitlines()}
    assert "13.00% (12.00% to 14.00%)" in rows["all rows"]
    assert "-0.300 (-0.310 to -0.290)" in rows["fresno"]
    assert "-0.040 (-0.050 to -0.030)" in rows["- without 1 odd ratio"]


def test_scripts_are_told_how_fair_each_release_is(housing: Callable[..., Any]) -> None:
    everywhere, fresno = housing("status", "--json")["champion"]["equity"]

    assert (everywhere["part"], everywhere["prb"]) == ("all rows", -0.03)
    assert everywhere["intervals"]["prb"] == pytest.approx([-0.04, -0.02])
    assert (fresno["rows"], fresno["trimmed"]["rows"], fresno["trimmed"]["prb"]) == (10, 9, -0.04)


def test_two_releases_are_compared(housing: Callable[..., Any], tmp_path: Path) -> None:
    found = housing("compare", "3", "champion", "--json")

    assert found["rows"] == 3
    assert found["wmape"]["difference"] == pytest.approx(0.1)
    figure = tmp_path / "new" / "figure.png"
    said = housing("compare", "3", "2", "--figure", str(figure))
    assert "version 3 is worse than version 2" in said
    assert figure.read_bytes().startswith(b"\x89PNG")


def test_a_new_key_is_printed_as_settings(housing: Callable[..., Any]) -> None:
    private, public = (line.partition("=") for line in housing("release", "key").splitlines())

    assert (private[0], public[0]) == ("HOUSING_SIGNING_KEY", "HOUSING_SERVE_PUBLIC_KEYS")
    assert public_key(private[2]) == public[2]
