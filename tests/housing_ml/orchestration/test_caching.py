"""A stage is computed once, and again exactly when something has changed that shapes its result."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pytest
from prefect import flow
from prefect.filesystems import LocalFileSystem
from prefect.settings import PREFECT_TASKS_REFRESH_CACHE, temporary_settings

from housing_ml.orchestration.runs import result_storage
from housing_ml.settings import Settings
from tests.waiting import PATIENCE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.usefixtures("prefect_server")

SOURCES = {
    "__init__": "",
    "stages": """
        import os
        import time
        from pathlib import Path

        from pydantic import BaseModel

        from housing_ml.orchestration.caching import stage
        from housing_ml.settings import Settings
        from housing_ml.records.refs import ArtifactRef
        from housing_ml.storage.store import open_store


        class Basket(BaseModel):
            fruit: ArtifactRef


        def _keep(content):
            return Basket(fruit=open_store(Settings()).put_bytes(content, ".txt"))


        @stage(libraries=("scales",))
        def pick(fruit: str) -> Basket:
            return _keep(fruit.encode())


        @stage(libraries=())
        def wash(basket: Basket) -> Basket:
            from laundry.water import wash

            return _keep(wash(open_store(Settings()).get_bytes(basket.fruit)))


        @stage(libraries=())
        def pack(basket: Basket) -> Basket:
            return _keep(b"packed " + open_store(Settings()).get_bytes(basket.fruit))


        @stage(libraries=())
        def sort(basket: Basket) -> Basket:
            return _keep(b"sorted " + open_store(Settings()).get_bytes(basket.fruit))


        @stage(libraries=())
        def dry(fruit: str) -> Basket:
            with Path("computed.txt").open("a") as file:
                file.write("x")
            time.sleep(float(os.environ["DRYING_SECONDS"]))
            return _keep(fruit.encode())


        @stage(libraries=(), retries=1)
        def sell(fault: str) -> Basket:
            with Path("attempts.txt").open("a") as file:
                file.write("x")
            if Path("attempts.txt").read_text() == "x":
                raise {"world": OSError, "value": ValueError}[fault]("no")
            return _keep(b"sold")
    """,
    "water": """
        from laundry import pump

        def wash(fruit):
            return pump.PRESSURE + fruit
    """,
    "pump": """
        PRESSURE = b"high "
    """,
    "__main__": """
        from prefect import flow
        from laundry import stages
        from housing_ml.orchestration.runs import result_storage, session
        from housing_ml.settings import Settings

        @flow(persist_result=False)
        def chain():
            return stages.dry("plum", return_state=True).name

        with session():
            print(chain.with_options(result_storage=result_storage(Settings()))())
    """,
}


class Laundry:
    """A package of three stages, each on the result of the one before, that can be edited."""

    def __init__(self, root: Path) -> None:
        self.package = root / "laundry"
        self.package.mkdir()
        for name, source in SOURCES.items():
            (self.package / f"{name}.py").write_text(dedent(source))
        self.install_scales("1.0")

    def install_scales(self, version: str) -> None:
        metadata = self.package.parent / "scales.dist-info" / "METADATA"
        metadata.parent.mkdir(exist_ok=True)
        metadata.write_text(f"Metadata-Version: 2.1\nName: scales\nVersion: {version}\n")

    def edit(self, module: str, old: str, new: str) -> None:
        path = self.package / f"{module}.py"
        source = path.read_text()
        assert old in source
        path.write_text(source.replace(old, new))

    @property
    def stages(self) -> Any:
        """The stages, imported as a new process would."""
        for name in [name for name in sys.modules if name.partition(".")[0] == "laundry"]:
            del sys.modules[name]
        return import_module("laundry.stages")

    def run(self, fruit: str = "plum") -> list[str]:
        """Run the three stages; return the names of those that were computed."""
        stages = self.stages
        computed = []

        @flow(persist_result=False)
        def chain() -> None:
            basket: Any = fruit
            for name in ("pick", "wash", "pack"):
                state = getattr(stages, name)(basket, return_state=True)
                basket = state.result()
                if state.name != "Cached":
                    computed.append(name)

        chain.with_options(result_storage=result_storage(Settings()))()
        return computed

    def stored(self) -> list[Path]:
        """The objects that the results refer to, the newest first."""
        files = Settings().storage_path.glob("data/*/*")
        return sorted(files, key=lambda path: path.stat().st_mtime_ns, reverse=True)

    def records(self) -> list[Path]:
        return sorted(Settings().storage_path.glob("results/*/*"))

    def start(self, drying_seconds: float) -> subprocess.Popen[str]:
        """Run the stage `dry` in a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "laundry"],
            env={**os.environ, "DRYING_SECONDS": str(drying_seconds)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


@pytest.fixture
def laundry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Laundry]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOUSING_HOME", str(tmp_path / "home"))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return Laundry(tmp_path)


def test_the_second_run_computes_nothing(laundry: Laundry) -> None:
    assert laundry.run() == ["pick", "wash", "pack"]
    assert laundry.run() == []


def test_another_argument_computes_what_depends_on_it(laundry: Laundry) -> None:
    laundry.run("plum")
    assert laundry.run("pear") == ["pick", "wash", "pack"]
    assert laundry.run("plum") == []


def test_a_code_edit_computes_its_stage_and_those_after_and_the_way_back_none(
    laundry: Laundry,
) -> None:
    laundry.run()
    laundry.edit("pump", "high", "low")
    assert laundry.run() == ["wash", "pack"]
    laundry.edit("pump", "low", "high")
    assert laundry.run() == []


def test_comments_docstrings_and_unused_code_compute_nothing(laundry: Laundry) -> None:
    laundry.run()
    laundry.edit("pump", "PRESSURE", "# in bar\nPRESSURE")
    laundry.edit("water", "return", '"""Wash it."""\n    return')
    laundry.edit("stages", "class Basket", "UNUSED = 1\n\n\nclass Basket")
    assert laundry.run() == []


def test_an_edit_without_effect_on_the_result_stops_there(laundry: Laundry) -> None:
    laundry.run()
    laundry.edit("pump", 'b"high "', 'b"hi" + b"gh "')
    assert laundry.run() == ["wash"]


def test_another_version_of_a_library_computes_the_stage_that_names_it(laundry: Laundry) -> None:
    laundry.run()
    laundry.install_scales("2.0")
    assert laundry.run() == ["pick"]


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"rotten")])
def test_a_result_whose_data_are_gone_or_damaged_is_computed_again(
    laundry: Laundry, damage: Any
) -> None:
    laundry.run()
    packed, washed, picked = laundry.stored()
    content = washed.read_bytes()
    damage(washed)
    assert laundry.run() == ["wash"]
    assert washed.read_bytes() == content
    assert packed.exists()
    assert picked.exists()


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_record_that_was_cut_short_is_computed_again(laundry: Laundry, share: float) -> None:
    laundry.run()
    (record,) = Settings().storage_path.glob("results/wash/*")
    content = record.read_bytes()
    record.write_bytes(content[: int(share * len(content))])
    assert laundry.run() == ["wash"]
    assert laundry.run() == []


def rewrite(record: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change what a cached result says, in the envelope that Prefect keeps it in."""
    kept = json.loads(record.read_bytes())
    kept["result"] = json.dumps(change(json.loads(kept["result"])))
    record.write_text(json.dumps(kept))


def test_a_cached_result_of_an_older_version_is_read(laundry: Laundry) -> None:
    laundry.run()
    for record in laundry.records():
        rewrite(record, lambda kept: kept["record"])
    assert laundry.run() == []


def test_a_cached_result_of_a_newer_version_is_computed_again_and_the_log_says_what_it_needs(
    laundry: Laundry, caplog: pytest.LogCaptureFixture
) -> None:
    laundry.run()
    (record,) = Settings().storage_path.glob("results/wash/*")
    rewrite(record, lambda kept: kept | {"format": 99, "needs": "9.0.0"})
    assert laundry.run() == ["wash"]
    assert "a cached result: format 99, but this code reads format 2" in caplog.text
    assert "install housing-ml 9.0.0, or a later one" in caplog.text
    assert laundry.run() == []


def test_stages_with_equal_arguments_have_results_of_their_own(laundry: Laundry) -> None:
    stages = laundry.stages

    @flow(persist_result=False)
    def chain() -> tuple[Any, Any]:
        basket = stages.pick("plum")
        return stages.pack(basket), stages.sort(basket)

    packed, sorted_ = chain.with_options(result_storage=result_storage(Settings()))()
    assert packed != sorted_


def test_refreshing_computes_everything_once(laundry: Laundry) -> None:
    laundry.run()
    with temporary_settings({PREFECT_TASKS_REFRESH_CACHE: True}):
        assert laundry.run() == ["pick", "wash", "pack"]
    assert laundry.run() == []


def test_two_runs_at_once_compute_a_stage_once(laundry: Laundry) -> None:
    runs = [laundry.start(drying_seconds=3), laundry.start(drying_seconds=3)]
    answers = sorted(run.communicate(timeout=PATIENCE_SECONDS)[0].strip() for run in runs)
    assert answers == ["Cached", "Completed"]
    assert Path("computed.txt").read_text() == "x"


def test_a_killed_run_does_not_hold_up_the_next_one(laundry: Laundry) -> None:
    killed = laundry.start(drying_seconds=600)
    while not Path("computed.txt").exists():
        assert killed.poll() is None, killed.communicate()
        time.sleep(0.05)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert (
        laundry.start(drying_seconds=0).communicate(timeout=PATIENCE_SECONDS)[0].strip()
        == "Completed"
    )


@pytest.mark.parametrize(("fault", "attempts"), [("world", "xx"), ("value", "x")])
def test_only_a_failure_that_may_pass_is_tried_again(
    laundry: Laundry, fault: str, attempts: str
) -> None:
    stages = laundry.stages
    selling = flow(lambda: stages.sell(fault, return_state=True), name="selling")
    state = selling.with_options(result_storage=result_storage(Settings()))(return_state=True)
    assert Path("attempts.txt").read_text() == attempts
    assert state.is_completed() == (fault == "world")


def test_a_record_that_cannot_be_read_for_once_does_not_hold_up_the_next_attempt(
    laundry: Laundry, monkeypatch: pytest.MonkeyPatch
) -> None:
    stages = laundry.stages
    Path("attempts.txt").write_text("x")
    selling = flow(lambda: stages.sell("world", return_state=True).name, name="selling")
    selling = selling.with_options(result_storage=result_storage(Settings()))
    assert selling() == "Completed"
    read, answers = LocalFileSystem.read_path, iter([True, False, True, True])

    def read_mostly(self: LocalFileSystem, path: str, **options: Any) -> Any:
        if not next(answers):
            raise ConnectionError("the network is away for a moment")
        return read(self, path, **options)

    monkeypatch.setattr(LocalFileSystem, "read_path", read_mostly)
    assert selling() == "Cached"
