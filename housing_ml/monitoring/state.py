"""What the monitor remembers between runs: counts by window, and which files are in them.

Files of the log never change, and both are written in one step, so that each file is counted once
however often and whenever the monitor runs, and files that come late join their old window.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from housing_ml.bundle.reference import add
from housing_ml.feedback.log_format import FOLDER
from housing_ml.monitoring.foreseen import Spreads
from housing_ml.monitoring.performance import Group

if TYPE_CHECKING:
    from housing_ml.bundle.reference import Tally
    from housing_ml.storage.versioned import ReleaseStorage

STATE = "monitoring/state.json"
_PASTS = 3
"""Latest champions whose quiet windows are kept: a roll back finds its own again."""


class Window(msgspec.Struct):
    """The counts of one window of one model version; `bundle` says whose bins they are in."""

    start: datetime
    version: str
    bundle: str
    counts: dict[str, list[int]]
    foreseen: dict[str, list[float]] = {}
    """Sums of spreads by segment, as `Spreads` has them, of rows that the model did not know."""

    familiar: list[int] = []
    """How many rows were held against what training saw, and how many of them are unfamiliar."""

    @property
    def unfamiliar(self) -> float | None:
        """The share of unfamiliar rows; None where nobody looked."""
        looked, strange = self.familiar or (0, 0)
        return strange / looked if looked else None

    def tally(self) -> Tally:
        """Return the counts as arrays."""
        return {name: np.array(found, dtype=np.int64) for name, found in self.counts.items()}


class Kept(msgspec.Struct, frozen=True):
    """A column's counts of a quiet window, in the bins of a bundle: a part of the past."""

    start: datetime
    bundle: str
    name: str
    counts: list[int]


class State(msgspec.Struct):
    """Counts of `window_minutes`, the files that are in them, and when retrains were asked for."""

    window_minutes: float
    counted: set[str] = msgspec.field(default_factory=set)
    windows: list[Window] = msgspec.field(default_factory=list)
    retrains: list[datetime] = msgspec.field(default_factory=list)
    told: str | None = None
    """The version whose alert people have been told of, while it lasts."""
    past: list[Kept] = msgspec.field(default_factory=list)
    """What later windows are held against; it outlives the windows themselves."""

    def is_news(self, version: str | None, *, alert: bool) -> bool:
        """Return whether people are to be told of an alert, and remember that they are."""
        before, self.told = self.told, version if alert else None
        return alert and before != version

    def add(self, start: datetime, version: str, bundle: str, seen: Tally) -> None:
        """Add the counts of some rows to their window."""
        window = self._window(start, version, bundle)
        window.counts = _lists(add(window.tally(), seen))

    def look(self, start: datetime, version: str, bundle: str, seen: tuple[int, int]) -> None:
        """Add to a window how many rows were looked at, and how many are unfamiliar."""
        window = self._window(start, version, bundle)
        before = window.familiar or [0, 0]
        window.familiar = [old + new for old, new in zip(before, seen, strict=True)]

    def foresee(self, group: Group, bundle: str, seen: Spreads) -> None:
        """Add the spreads of some rows to their window."""
        window = self._window(group.start, group.version, bundle)
        before = Spreads(*window.foreseen.get(group.segment, ()))
        window.foreseen[group.segment] = list(before.plus(seen))

    def spreads(self) -> dict[Group, Spreads]:
        """Return the spreads of all windows."""
        return {
            Group(window.start, window.version, segment): Spreads(*sums)
            for window in self.windows
            for segment, sums in window.foreseen.items()
        }

    def _window(self, start: datetime, version: str, bundle: str) -> Window:
        for window in self.windows:
            if (window.start, window.version, window.bundle) == (start, version, bundle):
                return window
        self.windows.append(Window(start, version, bundle, {}, {}))
        return self.windows[-1]

    def forget(self, start: datetime, first_day: date) -> None:
        """Drop windows before `start`, names of files of days before `first_day`, and old pasts."""
        self.windows = [item for item in self.windows if item.start >= start]
        oldest = f"{FOLDER}/date={first_day.isoformat()}"
        self.counted = {name for name in self.counted if name >= oldest}
        latest = list(dict.fromkeys(item.bundle for item in reversed(self.past)))[:_PASTS]
        self.past = [item for item in self.past if item.bundle in latest]


def read_state(storage: ReleaseStorage, window_minutes: float) -> tuple[State, int]:
    """Return the state and its generation; counts of windows of another length begin anew."""
    found = storage.read(STATE)
    if found is None:
        return State(window_minutes), 0
    state = msgspec.json.decode(found.content, type=State)
    if state.window_minutes != window_minutes:
        state = State(window_minutes, retrains=state.retrains, told=state.told)
    return state, found.generation


def write_state(storage: ReleaseStorage, state: State, generation: int) -> None:
    """Write the state.

    Raises:
        ConflictError: when another run of the monitor has written it since it was read.
    """
    storage.write(
        STATE, msgspec.json.encode(state, order="deterministic"), if_generation=generation
    )


def _lists(seen: Tally) -> dict[str, list[int]]:
    return {name: counts.tolist() for name, counts in seen.items()}
