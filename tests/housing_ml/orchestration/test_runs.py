"""A flow run as a person's program tells one line per stage, and no more unless it is asked."""

from __future__ import annotations

import io
import logging
import warnings
from pathlib import Path

import pytest
from prefect import flow
from prefect.logging.handlers import PrefectConsoleHandler
from prefect.settings import PREFECT_API_URL, PREFECT_FLOWS_HEARTBEAT_FREQUENCY
from pydantic import BaseModel
from rich.console import Console

from housing_ml.orchestration.caching import stage
from housing_ml.orchestration.runs import result_storage, run_stage, session
from housing_ml.settings import Settings

pytestmark = [
    pytest.mark.usefixtures("prefect_server", "bakery"),
    pytest.mark.filterwarnings("always:hotter than usual:RuntimeWarning"),
]


class Loaf(BaseModel):
    """A result that says itself what it is."""

    flour: str

    def __str__(self) -> str:
        return f"a loaf of {self.flour}"


@stage(libraries=())
def bake(flour: str) -> Loaf:
    with Path("baked.txt").open("a") as file:
        file.write("x")
    logging.getLogger("oven").error("too hot")
    warnings.warn("hotter than usual", RuntimeWarning, stacklevel=1)
    if flour == "sand":
        raise ValueError("sand is no flour")
    return Loaf(flour=flour)


@stage(libraries=())
def weigh(loaf: Loaf) -> float:
    return float(len(loaf.flour))


@flow(name="bakery", persist_result=False)
def chain(flour: str) -> float:
    return run_stage(weigh, run_stage(bake, flour).result).result


@pytest.fixture
def bakery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOUSING_HOME", str(tmp_path / "home"))


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What Prefect's own log handlers print."""
    text = io.StringIO()
    for handler in logging.getLogger().handlers:
        if isinstance(handler, PrefectConsoleHandler):
            monkeypatch.setattr(handler, "console", Console(file=text, width=200))
    return text


def run(flour: str = "rye", *, refresh: bool = False) -> float:
    with session(refresh=refresh):
        return chain.with_options(result_storage=result_storage(Settings()))(flour)


def lines(capsys: pytest.CaptureFixture[str]) -> list[list[str]]:
    """The words of each line that a person saw."""
    output = capsys.readouterr()
    assert output.out == ""
    return [line.split() for line in output.err.splitlines()]


def test_a_line_per_stage_says_what_was_done_how_long_it_took_and_what_came_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run() == 3.0
    baked, weighed = lines(capsys)
    assert [*baked[:2], *baked[3:]] == ["bake", "computed", "s", "a", "loaf", "of", "rye"]
    assert 0 <= float(baked[2]) < 60
    assert [*weighed[:2], *weighed[3:]] == ["weigh", "computed", "s"]


def test_a_second_run_says_that_every_stage_was_cached(capsys: pytest.CaptureFixture[str]) -> None:
    run()
    lines(capsys)
    run()
    assert [words[:2] for words in lines(capsys)] == [["bake", "cached"], ["weigh", "cached"]]


def test_a_refreshing_session_computes_again_and_keeps_the_new_results(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run()
    run(refresh=True)
    run()
    assert [words[1] for words in lines(capsys)] == [*["computed"] * 4, *["cached"] * 2]
    assert Path("baked.txt").read_text() == "xx"


def test_a_failed_stage_ends_its_line_and_its_error_names_the_stage(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(ValueError, match="sand is no flour") as caught:
        run("sand")
    assert caught.value.__notes__ == ["in stage bake"]
    assert [words[:2] for words in lines(capsys)] == [["bake", "failed"]]


def test_a_quiet_session_hides_logs_and_warnings_and_a_verbose_one_shows_them(
    shown: io.StringIO, recwarn: pytest.WarningsRecorder
) -> None:
    run("rye")
    assert shown.getvalue() == ""
    assert not recwarn.list
    with session(verbose=True):
        chain.with_options(result_storage=result_storage(Settings()))("spelt")
    assert "too hot" in shown.getvalue()
    assert "Finished in state Completed" in shown.getvalue()
    assert [str(item.message) for item in recwarn] == ["hotter than usual"]


def test_a_session_puts_logging_back() -> None:
    levels = [(handler, handler.level) for handler in logging.getLogger().handlers]
    run()
    assert [(handler, handler.level) for handler in logging.getLogger().handlers] == levels
    assert logging.getLogger("prefect.flow_runs.stages").handlers == []


def test_a_session_uses_the_configured_server_and_no_heartbeat(prefect_server: str) -> None:
    run()
    with session():
        assert PREFECT_API_URL.value() == prefect_server
        assert PREFECT_FLOWS_HEARTBEAT_FREQUENCY.value() is None  # its thread ends a second late
        chain.with_options(result_storage=result_storage(Settings()))("rye")


def test_results_live_in_the_home_folder_or_in_the_configured_block() -> None:
    settings = Settings()
    assert result_storage(settings) == settings.home.resolve() / "storage"
    block = settings.model_copy(update={"storage_block": "gcs-bucket/housing"})
    assert result_storage(block) == "gcs-bucket/housing"
