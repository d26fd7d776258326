"""What a terminal shows of work that takes long: one live line, and one of what is to come.

In a pipe or a file there is none of it, whatever colours the environment asks for.
"""

from __future__ import annotations

from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from housing_ml import progress

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType

    from housing_ml.progress import Standing

_BAR_WIDTH = 20


@contextmanager
def live_line(console: Console | None = None) -> Iterator[Console]:
    """Show what is told of work inside, on standard error; yield the console to print above it."""
    console = console or Console(stderr=True, highlight=False)
    if not console.file.isatty() or console.is_dumb_terminal:
        yield console
        return
    with progress.watched() as standing:
        shown = _Shown(standing)
        with Live(console=console, transient=True, get_renderable=shown.render):
            yield console


class _Shown:
    """A standing as lines; the spinner goes on turning."""

    def __init__(self, standing: Standing) -> None:
        self._standing = standing
        self._spinner = Spinner("dots")

    def render(self) -> RenderableType:
        standing = self._standing
        if not standing.stage:
            return Text()
        line = Table.grid(padding=(0, 1))
        cells: list[RenderableType] = [self._spinner, Text(standing.stage, style="bold")]
        if standing.steps or standing.part:
            cells.append(ProgressBar(1, standing.share, width=_BAR_WIDTH))
        line.add_row(*cells, Text(_words(standing)))
        if not standing.to_come:
            return line
        to_come = f"  to come: {', '.join(standing.to_come)}"
        return Group(line, Text(to_come, style="dim", no_wrap=True, overflow="ellipsis"))


def _words(standing: Standing) -> str:
    """Return how far it is in words: steps, time left, rows and their rate, time."""
    seconds = monotonic() - standing.began
    found = [str(step) for step in list(standing.steps.values())]
    left = standing.seconds_left
    if left is not None and standing.steps:
        found.append(f"{_clock(left)} left")
    if standing.rows:
        rate = standing.rows / max(seconds, 0.001)
        found.append(f"{standing.rows:,} rows, {rate:,.0f} rows/s")
    elif pace := _pace(standing):
        found.append(pace)
    return ", ".join((*found, f"after {_clock(seconds)}"))


def _pace(standing: Standing) -> str:
    """Return how many of the outermost steps are done in a minute."""
    outer = next(iter(list(standing.steps.values())), None)
    if outer is None or standing.first is None:
        return ""
    _, since, already = standing.first
    done = (standing.share - already) * outer.total
    return f"{60 * done / max(monotonic() - since, 0.001):,.1f} a minute" if done > 0 else ""


def _clock(seconds: float) -> str:
    """Return minutes and seconds, with hours where there are any.

    >>> _clock(75), _clock(3700)
    ('1:15', '1:01:40')
    """
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
