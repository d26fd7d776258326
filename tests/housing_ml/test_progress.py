"""Who works tells how far it is, and nobody need listen."""

from __future__ import annotations

import io
import os
import pty
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from housing_ml import progress
from housing_ml.orchestration.terminal import live_line
from tests.terminal import everything

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_nested_steps_add_up_to_the_share_that_is_done() -> None:
    seen: list[tuple[float, list[str]]] = []
    with progress.watched() as standing:
        progress.stage("sweep")
        for trial in (1, 2):
            progress.step("trial", trial, 2)
            seen += [
                (standing.share, [str(step) for step in standing.steps.values()])
                for _ in progress.steps("abcd", "fold")
            ]

    assert [share for share, _ in seen] == pytest.approx([k / 8 for k in range(8)])
    assert seen[5][1] == ["trial 2 of 2", "fold 2 of 4"]


def test_steps_of_different_sizes_are_weighed_and_parts_of_them_count() -> None:
    with progress.watched() as standing:
        progress.stage("score")
        shares = []
        for _ in progress.steps(["small", "large"], "file", [1.0, 3.0]):
            progress.advance(0.5, rows=10)
            shares.append(standing.share)

    assert shares == pytest.approx([0.125, 0.625])
    assert standing.rows == 20


def test_what_is_to_come_follows_the_plan_and_an_unplanned_stage_leaves_it() -> None:
    with progress.watched() as standing:
        progress.plan(["ingestion", "split", "training"])
        progress.stage("ingestion")
        assert standing.to_come == ("split", "training")
        progress.stage("merge")
        assert standing.to_come == ("split", "training")
        progress.stage("training")
        assert standing.to_come == ()


def test_time_left_counts_from_where_the_work_went_on() -> None:
    with progress.watched() as standing:
        progress.stage("sweep")
        progress.step("trial", 6, 8)  # five are there from an earlier run
        assert standing.seconds_left is None
        progress.step("trial", 7, 8)
        assert standing.first is not None
        assert standing.first[2] == pytest.approx(5 / 8)
        assert standing.seconds_left is not None


def test_a_stage_that_breaks_off_its_steps_leaves_none_behind() -> None:
    with progress.watched() as standing:
        progress.stage("sweep")
        for _ in progress.steps("abcd", "fold"):
            break
        assert not standing.steps


@pytest.fixture
def terminal() -> Iterator[tuple[int, Console]]:
    """What is written to a terminal of 120 columns, and the terminal."""
    ours, its = pty.openpty()
    with os.fdopen(its, "w") as file:
        yield ours, Console(file=file, width=120, force_terminal=True, _environ={"TERM": "xterm"})
    os.close(ours)


def test_a_terminal_shows_the_stage_its_steps_and_what_is_to_come(
    terminal: tuple[int, Console],
) -> None:
    ours, console = terminal
    with live_line(console):
        progress.plan(["selection", "sweep", "training"])
        progress.stage("sweep")
        progress.step("trial", 5, 8)
        for _ in progress.steps("ab", "fold"):
            progress.advance(0.5, rows=1234)
        progress.step("trial", 6, 8)
    console.file.close()
    shown = everything(ours)

    assert "sweep" in shown
    assert "trial 6 of 8" in shown
    assert "1,234" not in shown  # one refresh at the end, with all rows
    assert "2,468 rows" in shown
    assert "rows/s" in shown
    assert "left" in shown
    assert "to come: training" in shown


def test_a_pipe_stays_quiet_even_where_colours_are_forced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    pipe = io.StringIO()
    with live_line(Console(file=pipe)) as console:
        progress.stage("sweep")
        progress.step("trial", 1, 2)
        console.print("a line")
    assert pipe.getvalue() == "a line\n"
